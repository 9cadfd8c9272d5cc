/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Announcements are kept by what is announced; prefixes by how many
 * announcements mean them, so that what is announced in another way does not
 * count as a change.
 */

#include "groupvpn_prefixes.h"

#include <collections/hashtable.h>

typedef struct private_groupvpn_prefixes_t private_groupvpn_prefixes_t;

/**
 * Private data
 */
struct private_groupvpn_prefixes_t {

	/**
	 * Public interface
	 */
	groupvpn_prefixes_t public;

	/**
	 * What the member claims, rising
	 */
	struct gv_prefix *claimed;
	size_t count;

	/**
	 * What is heard: NLRI => heard_t, and prefix => meant_t
	 */
	hashtable_t *heard;
	hashtable_t *meant;

	/**
	 * There was a change since has_changed()
	 */
	bool changed;
};

/**
 * An announcement
 */
typedef struct {
	struct gv_prefix nlri;
	struct gv_prefix prefix;
	/* 0 if that is gone */
	u_int client;
} heard_t;

/**
 * A prefix that announcements mean
 */
typedef struct {
	struct gv_prefix prefix;
	u_int count;
} meant_t;

/**
 * Hash a prefix
 */
static u_int prefix_hash(const struct gv_prefix *prefix)
{
	return chunk_hash(chunk_create((u_char*)prefix, sizeof(*prefix)));
}

/**
 * Compare prefixes
 */
static bool prefix_equals(const struct gv_prefix *a, const struct gv_prefix *b)
{
	return gv_prefix_cmp(a, b) == 0;
}

/**
 * Create a table by prefix
 */
static hashtable_t *table_create()
{
	return hashtable_create((hashtable_hash_t)prefix_hash,
							(hashtable_equals_t)prefix_equals, 8);
}

METHOD(groupvpn_prefixes_t, claim, void,
	private_groupvpn_prefixes_t *this, const struct gv_prefix *prefixes,
	size_t count)
{
	size_t size = count * sizeof(*prefixes);

	if (count == this->count &&
		(!count || memeq(prefixes, this->claimed, size)))
	{
		return;
	}
	free(this->claimed);
	this->claimed = count ? malloc(size) : NULL;
	this->count = count;
	if (count)
	{
		memcpy(this->claimed, prefixes, size);
	}
	this->changed = TRUE;
}

METHOD(groupvpn_prefixes_t, get_claim, size_t,
	private_groupvpn_prefixes_t *this, const struct gv_prefix **prefixes)
{
	*prefixes = this->claimed;
	return this->count;
}

/**
 * One more announcement means a prefix
 */
static void mean(private_groupvpn_prefixes_t *this,
				 const struct gv_prefix *prefix)
{
	meant_t *meant = this->meant->get(this->meant, prefix);

	if (!meant)
	{
		INIT(meant,
			.prefix = *prefix,
		);
		this->meant->put(this->meant, &meant->prefix, meant);
		this->changed = TRUE;
	}
	meant->count++;
}

/**
 * One less does
 */
static void unmean(private_groupvpn_prefixes_t *this,
				   const struct gv_prefix *prefix)
{
	meant_t *meant = this->meant->get(this->meant, prefix);

	if (--meant->count == 0)
	{
		this->meant->remove(this->meant, prefix);
		this->changed = TRUE;
		free(meant);
	}
}

METHOD(groupvpn_prefixes_t, hear, bool,
	private_groupvpn_prefixes_t *this, const struct gv_prefix *nlri,
	const struct gv_prefix *prefix, u_int client)
{
	heard_t *heard = this->heard->get(this->heard, nlri);

	if (!heard)
	{
		if (this->heard->get_count(this->heard) >= GROUPVPN_HEARD_MAX)
		{
			return FALSE;
		}
		INIT(heard,
			.nlri = *nlri,
			.prefix = *prefix,
		);
		this->heard->put(this->heard, &heard->nlri, heard);
		mean(this, prefix);
	}
	else if (!prefix_equals(&heard->prefix, prefix))
	{
		mean(this, prefix);
		unmean(this, &heard->prefix);
		heard->prefix = *prefix;
	}
	heard->client = client;
	return TRUE;
}

METHOD(groupvpn_prefixes_t, unhear, void,
	private_groupvpn_prefixes_t *this, const struct gv_prefix *nlri)
{
	heard_t *heard = this->heard->remove(this->heard, nlri);

	if (heard)
	{
		unmean(this, &heard->prefix);
		free(heard);
	}
}

METHOD(groupvpn_prefixes_t, lose, void,
	private_groupvpn_prefixes_t *this, u_int client)
{
	enumerator_t *enumerator;
	heard_t *heard;

	enumerator = this->heard->create_enumerator(this->heard);
	while (enumerator->enumerate(enumerator, NULL, &heard))
	{
		if (!client || heard->client == client)
		{
			heard->client = 0;
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_prefixes_t, sweep, void,
	private_groupvpn_prefixes_t *this)
{
	enumerator_t *enumerator;
	heard_t *heard;

	enumerator = this->heard->create_enumerator(this->heard);
	while (enumerator->enumerate(enumerator, NULL, &heard))
	{
		if (!heard->client)
		{
			this->heard->remove_at(this->heard, enumerator);
			unmean(this, &heard->prefix);
			free(heard);
		}
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_prefixes_t, has_changed, bool,
	private_groupvpn_prefixes_t *this)
{
	bool changed = this->changed;

	this->changed = FALSE;
	return changed;
}

/**
 * Compare prefixes to sort them
 */
static int compare(const void *a, const void *b)
{
	return gv_prefix_cmp(a, b);
}

METHOD(groupvpn_prefixes_t, get, size_t,
	private_groupvpn_prefixes_t *this,
	struct gv_prefix prefixes[GV_PREFIXES_MAX])
{
	size_t count = this->count + this->meant->get_count(this->meant);
	struct gv_prefix *all = calloc(count ?: 1, sizeof(*all));
	enumerator_t *enumerator;
	meant_t *meant;
	size_t i, n = 0;

	for (i = 0; i < this->count; i++)
	{
		all[n++] = this->claimed[i];
	}
	enumerator = this->meant->create_enumerator(this->meant);
	while (enumerator->enumerate(enumerator, NULL, &meant))
	{
		all[n++] = meant->prefix;
	}
	enumerator->destroy(enumerator);
	qsort(all, n, sizeof(*all), compare);
	for (i = 0, count = 0; i < n; i++)
	{
		if (i && prefix_equals(&all[i], &all[i - 1]))
		{
			continue;
		}
		if (count < GV_PREFIXES_MAX)
		{
			prefixes[count] = all[i];
		}
		count++;
	}
	free(all);
	return count;
}

METHOD(groupvpn_prefixes_t, destroy, void,
	private_groupvpn_prefixes_t *this)
{
	lose(this, 0);
	sweep(this);
	this->heard->destroy(this->heard);
	this->meant->destroy(this->meant);
	free(this->claimed);
	free(this);
}

/*
 * See header
 */
groupvpn_prefixes_t *groupvpn_prefixes_create()
{
	private_groupvpn_prefixes_t *this;

	INIT(this,
		.public = {
			.claim = _claim,
			.get_claim = _get_claim,
			.hear = _hear,
			.unhear = _unhear,
			.lose = _lose,
			.sweep = _sweep,
			.has_changed = _has_changed,
			.get = _get,
			.destroy = _destroy,
		},
		.heard = table_create(),
		.meant = table_create(),
	);
	return &this->public;
}

/*
 * See header
 */
char *groupvpn_prefixes_text(const struct gv_prefix *prefixes, size_t count)
{
	char *text, buf[GV_PREFIX_STRLEN];
	size_t i, size, len = 0;

	if (!count)
	{
		return NULL;
	}
	size = count * (GV_PREFIX_STRLEN + 2);
	text = malloc(size);
	for (i = 0; i < count; i++)
	{
		len += snprintf(text + len, size - len, "%s%s", i ? ", " : "",
						gv_prefix_print(&prefixes[i], buf, sizeof(buf)));
	}
	return text;
}
