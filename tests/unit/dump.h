/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a core dump of the test itself would have in it, by /proc/self/smaps:
 * mappings without the flag "dd" (MADV_DONTDUMP).  The stack is not looked at,
 * where a secret is only while a function works on it.
 */
#ifndef GV_TESTS_DUMP_H
#define GV_TESTS_DUMP_H

#include "unit.h"

#define DUMPED_LEN 16

/* A secret as it can be kept to look for it. */
static inline void invert(uint8_t out[DUMPED_LEN], const uint8_t *secret)
{
	for (unsigned int i = 0; i < DUMPED_LEN; i++)
		out[i] = ~secret[i];
}

/* It reads what belongs to the heap itself, too. */
__attribute__((no_sanitize("address"))) static inline bool
has_inverted(const volatile uint8_t *from, const volatile uint8_t *to,
	     const uint8_t inverted[DUMPED_LEN])
{
	for (; from + DUMPED_LEN <= to; from++) {
		unsigned int i = 0;

		while (i < DUMPED_LEN && (from[i] ^ inverted[i]) == 0xff)
			i++;
		if (i == DUMPED_LEN)
			return true;
	}
	return false;
}

/* Whether it would be in a core dump. */
static inline bool is_dumped(const uint8_t inverted[DUMPED_LEN])
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long first, last, from = 0, to = 0;
	bool found = false, candidate = false;
	char line[1024], flags[5];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &first, &last, flags) == 3) {
			from = first;
			to = last;
			candidate = !strncmp(flags, "rw", 2) &&
				    !strstr(line, "[stack]");
		} else if (candidate && !strncmp(line, "VmFlags:", 8) &&
			   !strstr(line, " dd"))
			found |= has_inverted((void *)from, (void *)to,
					      inverted);
	}
	fclose(maps);
	return found;
}

#endif /* GV_TESTS_DUMP_H */
