// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parts of parts.h.  That a set is what was taken apart is no proof of
 * whom it is from: the descriptors' MACs and the messages' signatures are.
 */
#include "parts.h"

#include <string.h>

#include "crypto.h"

static bool make_set(const uint8_t *data, size_t len,
		     uint8_t set[GV_PART_SET_LEN])
{
	static const char label[] = "groupvpn parts 1";
	uint8_t digest[GV_SECRET_LEN];

	if (!gv_hkdf_extract(label, sizeof(label) - 1, data, len, digest))
		return false;
	memcpy(set, digest, GV_PART_SET_LEN);
	return true;
}

unsigned int gv_parts_split(const uint8_t *data, size_t len,
			    struct gv_part parts[GV_PARTS_MAX])
{
	uint8_t set[GV_PART_SET_LEN] = {};
	unsigned int count = 1, i;
	size_t room = GV_REKEY_PART_MAX, at = 0;

	if (!len || len > GV_REKEY_MAX)
		return 0;
	if (len > room) {
		room = GV_PART_LEN;
		count = (len + room - 1) / room;
		if (!make_set(data, len, set))
			return 0;
	}
	for (i = 0; i < count; i++) {
		parts[i] = (struct gv_part){
			.number = i,
			.count = count,
			.data = data + at,
			.len = len - at < room ? len - at : room,
		};
		memcpy(parts[i].set, set, sizeof(set));
		at += parts[i].len;
	}
	return count;
}

bool gv_part_valid(const struct gv_part *part)
{
	if (part->count == 1)
		return part->number == 0 && part->len &&
		       part->len <= GV_REKEY_PART_MAX;
	if (part->count < 2 || part->count > GV_PARTS_MAX ||
	    part->number >= part->count)
		return false;
	/* All but the last are full. */
	return part->number + 1 < part->count
		       ? part->len == GV_PART_LEN
		       : part->len && part->len <= GV_PART_LEN;
}

static const struct gv_part *find_part(const struct gv_part *first,
				       unsigned int number,
				       const struct gv_part *candidates,
				       size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (candidates[i].number == number &&
		    candidates[i].count == first->count &&
		    gv_part_valid(&candidates[i]) &&
		    memcmp(candidates[i].set, first->set, GV_PART_SET_LEN) == 0)
			return &candidates[i];
	return NULL;
}

size_t gv_parts_join(const struct gv_part *first,
		     const struct gv_part *candidates, size_t n,
		     uint8_t data[GV_REKEY_MAX])
{
	const struct gv_part *part = first;
	uint8_t set[GV_PART_SET_LEN];
	size_t len = 0;

	if (first->number || !gv_part_valid(first))
		return 0;
	for (unsigned int i = 0; i < first->count; i++) {
		if (i)
			part = find_part(first, i, candidates, n);
		if (!part)
			return 0;
		memcpy(data + len, part->data, part->len);
		len += part->len;
	}
	if (first->count > 1 && (!make_set(data, len, set) ||
				 memcmp(set, first->set, GV_PART_SET_LEN) != 0))
		return 0;
	return len;
}
