/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The groups of this host, from the groups {} section of swanctl.conf.
 *
 * @defgroup groupvpn_config groupvpn_config
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_CONFIG_H_
#define GROUPVPN_CONFIG_H_

#include <library.h>
#include <collections/linked_list.h>
#include <networking/host.h>
#include <utils/identification.h>

#include <control.h>
#include <gikev2.h>
#include <prefixes.h>

/**
 * Number of ciphers that there are
 */
#define GROUPVPN_ACCEPTED_MAX 13

typedef struct groupvpn_config_t groupvpn_config_t;
typedef struct groupvpn_group_t groupvpn_group_t;
typedef enum groupvpn_credential_t groupvpn_credential_t;

/**
 * Credential that an identity must have been authenticated with.
 */
enum groupvpn_credential_t {
	GROUPVPN_CREDENTIAL_ANY,
	GROUPVPN_CREDENTIAL_PSK,
	GROUPVPN_CREDENTIAL_PUBKEY,
};

/**
 * Prefixes within this one may be claimed by whom the pattern matches.
 */
typedef struct {
	/** NULL for anybody */
	identification_t *who;
	struct gv_prefix prefix;
} groupvpn_allowed_t;

/**
 * Configuration of one group. Not changed once it is complete; reference
 * counted.
 */
struct groupvpn_group_t {

	/** name of the section */
	char *name;

	/** group-ID, not 0 */
	uint32_t id;

	/** what this host is to the group */
	enum gv_role role;

	/** whether BGP between members and the S/R is protected */
	bool channel;

	/** then the addresses of the S/R, as host_t: our own, or of the GCKSs */
	linked_list_t *reflectors;

	/* role = gcks */

	/** identity patterns of those who may join, as identification_t */
	linked_list_t *members;

	/** how they have to be authenticated */
	groupvpn_credential_t credential;

	/** patterns of the CA that issued their certificate, and of subject or
	 * subjectAltNames in it, as identification_t; empty: any, or none */
	linked_list_t *issuers;
	linked_list_t *certificates;

	/** identity patterns of those who only send, and who only receive, as
	 * identification_t */
	linked_list_t *senders;
	linked_list_t *receivers;

	/** members that may be registered at a time, 0 for any number */
	uint32_t max_members;

	/** path of the socket of the policy server, NULL if there is none */
	char *policy;

	/** cipher of the data SAs, and extended sequence numbers */
	struct gv_esp_proposal esp;

	/** whether each sender and receiver have SAs of their own */
	enum gv_sa_mode sa_mode;

	/** what is inside ESP */
	enum gv_encap encap;

	/** lifetime of an epoch of data SAs, in seconds */
	uint32_t lifetime;

	/** activation and deactivation time delay, in seconds */
	uint32_t atd;
	uint32_t dtd;

	/** whether a member that is added, and one that leaves, makes for a new
	 * epoch */
	bool rekey_on_add;
	bool rekey_on_remove;

	/** packets, a power of two; 0 with shared SAs */
	uint32_t replay_window;

	/** there is a Rekey SA, and its messages go to members by BGP */
	bool rekey_by_bgp;

	/** prefixes that a member without a bgpd may claim, and who may claim which,
	 * as groupvpn_allowed_t; empty: anybody any */
	uint32_t max_prefixes;
	linked_list_t *allowed;

	/** lifetime of a KEK, in seconds */
	uint32_t kek_lifetime;

	/** whether bgpd announces the group to neighbours that are no members */
	bool discovery_open;

	/** the address members reach this GCKS at, NULL to find it out */
	host_t *address;

	/* role = member */

	/** connections to GCKSs in order of preference, as char* */
	linked_list_t *gcks;

	/** the only members it wants to know, NULL for all: identities and
	 * gateway addresses, separated by commas */
	char *peers;

	/** it has no bgpd: routes come with the keys; and its own prefixes, rising */
	bool by_keys;
	struct gv_prefix *prefixes;
	size_t prefix_count;

	/** whether to register in the exchanges of RFC 9838 */
	bool exchange;

	/** ciphers that the group may have, without regard to esn */
	struct gv_esp_proposal accepted[GROUPVPN_ACCEPTED_MAX];
	u_int accepted_count;

	/** VRF device, NULL for the default table */
	char *vrf;

	/** name of the group device */
	char *device;

	/** whether packets may go another way, in clear, while the group has no
	 * keys */
	bool fail_open;

	/** references to this object */
	refcount_t ref;
};

/**
 * Get another reference to a group's configuration.
 */
groupvpn_group_t *groupvpn_group_get_ref(groupvpn_group_t *this);

/**
 * Release a reference.
 */
void groupvpn_group_destroy(groupvpn_group_t *this);

/**
 * Whether an identity matches one of a list of patterns.
 *
 * @param patterns		identification_t*, wildcards included
 */
bool groupvpn_matches(linked_list_t *patterns, identification_t *identity);

/**
 * Whether a member accepts that its group has a cipher.
 */
bool groupvpn_group_accepts(groupvpn_group_t *this,
							const struct gv_esp_proposal *esp);

/**
 * Compare all that is configured.
 */
bool groupvpn_group_equals(groupvpn_group_t *this, groupvpn_group_t *other);

/**
 * Digest of what is configured about who may be a member, never 0. It is the
 * same in each run of charon.
 */
uint32_t groupvpn_group_admission(groupvpn_group_t *this);

/**
 * Parse a time: a number with an optional unit s, m, h or d.
 *
 * @param min			in seconds, as max and out
 * @return				FALSE if it is of another form or out of range, out is
 *						as it was
 */
bool groupvpn_parse_time(char *value, uint32_t min, uint32_t max,
						 uint32_t *out);

/**
 * Reader of the configuration, keeps the set of valid groups.
 */
struct groupvpn_config_t {

	/**
	 * Read the file (again).
	 *
	 * Every error is logged with file, group, option and value. A group with
	 * an error is left out; if it was valid before, it keeps its previous
	 * configuration. If the file can not be read at all, nothing changes.
	 *
	 * @return			FALSE if the file could not be read
	 */
	bool (*load)(groupvpn_config_t *this);

	/**
	 * Enumerate the valid groups.
	 *
	 * Not to be called while load() runs.
	 *
	 * @return			enumerator over groupvpn_group_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_config_t *this);

	/**
	 * Whether these are all groups that the file has, and none was left out
	 * because of an error in it.
	 */
	bool (*is_complete)(groupvpn_config_t *this);

	/**
	 * Destroy a groupvpn_config_t.
	 */
	void (*destroy)(groupvpn_config_t *this);
};

/**
 * Create a groupvpn_config_t without any group.
 *
 * @param file			path of swanctl.conf
 */
groupvpn_config_t *groupvpn_config_create(char *file);

#endif /** GROUPVPN_CONFIG_H_ @}*/
