/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all unit tests share: hex in and out, copies that end where their
 * content ends (so that a sanitizer sees a read past the end), a seeded
 * generator, and the identifiers and secrets of the examples in
 * doc/protocol.md.
 */
#ifndef GV_TESTS_UNIT_H
#define GV_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gv.h"

/* A cmocka test is handed a state, used or not. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The examples' group. */
#define EX_GROUP 100
#define EX_EPOCH 7
#define EX_TAG 0x21
#define EX_MEMBER 5
#define EX_SENDER 17
#define EX_RECEIVER 18
#define EX_ROUTE_EPOCH 3

/* 32 octets: first, first + 1, … */
static inline void ramp(uint8_t out[GV_SECRET_LEN], uint8_t first)
{
	for (unsigned int i = 0; i < GV_SECRET_LEN; i++)
		out[i] = first + i;
}

#define EX_GSK_FIRST 0x00
#define EX_ROUTE_SECRET_FIRST 0x20
#define EX_KWK_FIRST 0x40
#define EX_OLD_GSK_FIRST 0x60

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	fail_msg("'%c' is not a hex digit", c);
	return 0;
}

/* Blanks between octets are for the eye. */
static inline size_t unhex(const char *hex, uint8_t *out, size_t size)
{
	size_t len = 0;

	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		assert_true(len < size);
		out[len++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
		hex += 2;
	}
	return len;
}

static inline void assert_hex(const void *data, size_t len, const char *hex)
{
	uint8_t want[8192];
	size_t want_len = unhex(hex, want, sizeof(want));
	const uint8_t *got = data;

	if (len == want_len && !memcmp(data, want, len))
		return;
	for (size_t i = 0; i < len; i++)
		print_error("%02x", got[i]);
	print_error("\n");
	fail_msg("want %s", hex);
}

/* A heap copy of exactly len octets; free() it. */
static inline uint8_t *exact(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

static inline bool all_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		if (*p++)
			return false;
	return true;
}

/* Whether a file has octets in it; one that is not there has none. */
static inline bool file_has(const char *path, const void *octets, size_t len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *content = NULL;
	bool found = false;
	long size;

	if (!file)
		return false;
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	content = malloc(size + 1);
	assert_non_null(content);
	assert_int_equal(fread(content, 1, size, file), size);
	fclose(file);
	for (long at = 0; at + (long)len <= size && !found; at++)
		found = !memcmp(content + at, octets, len);
	free(content);
	return found;
}

static inline struct gv_addr addr(const char *text)
{
	struct gv_addr a;

	assert_true(gv_addr_parse(text, &a));
	return a;
}

/* xorshift64*; the seed comes from GV_TEST_SEED, else it is always the same. */
static uint64_t random_state;

static inline void random_seed(void)
{
	const char *seed = getenv("GV_TEST_SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : 0x67760001;
	random_state = random_state ? random_state : 1;
	print_message("GV_TEST_SEED=%#llx\n", (unsigned long long)random_state);
}

static inline uint64_t random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

static inline void random_fill(void *out, size_t len)
{
	uint8_t *p = out;

	while (len--)
		*p++ = random_next() >> 56;
}

#endif /* GV_TESTS_UNIT_H */
