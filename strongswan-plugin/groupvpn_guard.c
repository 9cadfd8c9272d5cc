/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strongSwan's objects are structs of function pointers, whose layout changes
 * with the version and, for some, with --enable-mediation. A plugin of another
 * layout would call the wrong functions, so it must not be loaded. The plugin
 * loader checks that from 6.0.3 on only.
 *
 * The libraries do not say their version, but the daemon does when it starts:
 * the string is among the constants of the program.
 */

#define _GNU_SOURCE
#include "groupvpn_guard.h"

#include <ctype.h>
#include <dlfcn.h>
#include <link.h>

#define REBUILD "rebuild it with the source of the strongSwan that is " \
				"installed: ./configure --with-strongswan-source=DIR"

/* longest version, such as 6.0.10rc12 */
#define VERSION_MAX 16

/**
 * Result of the search
 */
typedef struct {
	/* our version is there */
	bool found;
	/* another one is there */
	char other[VERSION_MAX];
} search_t;

/**
 * Length of what looks like a version at the beginning of a string: numbers
 * and two or three dots, then perhaps a suffix of a pre-release
 */
static size_t version_len(const char *text, size_t max)
{
	size_t len = 0, digits = 0;
	u_int dots = 0;

	for (; len < max; len++)
	{
		if (isdigit((u_char)text[len]))
		{
			digits++;
		}
		else if (text[len] == '.' && digits)
		{
			dots++;
			digits = 0;
		}
		else
		{
			break;
		}
	}
	if (dots != 2 || !digits)
	{
		return 0;
	}
	while (len < max && isalnum((u_char)text[len]))
	{
		len++;
	}
	return len;
}

/**
 * Look for versions among constants: a string of its own, or a word in the
 * message that the daemon starts with
 */
static void search_constants(search_t *search, const char *data, size_t size)
{
	size_t i, len;

	for (i = 1; i < size; i++)
	{
		if (data[i - 1] && data[i - 1] != ' ')
		{
			continue;
		}
		len = version_len(data + i, size - i);
		if (!len || len >= VERSION_MAX || i + len == size ||
			(data[i + len] && data[i + len] != ','))
		{
			continue;
		}
		if (len == strlen(VERSION) && memeq(data + i, VERSION, len))
		{
			search->found = TRUE;
		}
		else if (!*search->other)
		{
			memcpy(search->other, data + i, len);
		}
	}
}

/**
 * Search the program itself, which comes first
 */
static int search_program(struct dl_phdr_info *info, size_t size, void *data)
{
	const ElfW(Phdr) *phdr;
	u_int i;

	for (i = 0; i < info->dlpi_phnum; i++)
	{
		phdr = &info->dlpi_phdr[i];
		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_R) &&
			!(phdr->p_flags & (PF_W | PF_X)))
		{
			search_constants(data, (char*)info->dlpi_addr + phdr->p_vaddr,
							 phdr->p_filesz);
		}
	}
	return 1;
}

/**
 * Check how libcharon was built
 */
static bool check_build()
{
	bool running = dlsym(RTLD_DEFAULT, "connect_manager_create") != NULL;
#ifdef ME
	bool built = TRUE;
#else
	bool built = FALSE;
#endif

	if (running != built)
	{
		DBG1(DBG_LIB, "groupvpn: this charon was built %s --enable-mediation, "
			 "the groupvpn plugin %s: " REBUILD, running ? "with" : "without",
			 built ? "with" : "without");
		return FALSE;
	}
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_guard()
{
	search_t search = {};

	dl_iterate_phdr(search_program, &search);
	if (!search.found)
	{
		DBG1(DBG_LIB, "groupvpn: the groupvpn plugin was built for strongSwan "
			 VERSION ", this is %s: " REBUILD,
			 *search.other ? search.other : "another version");
		return FALSE;
	}
	return check_build();
}
