/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads groups {} of swanctl.conf, which swanctl itself ignores.
 *
 * Strict: an unknown option, an option of the other role, a value that is not
 * entirely of the expected form are errors, each told in one message. The
 * options are a table; adding one means adding a line and its parser.
 */

#define _GNU_SOURCE
#include "groupvpn_config.h"
#include "groupvpn_util.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include <crypto/proposal/proposal.h>

/* the group device's default name is this, followed by the group's */
#define DEVICE_PREFIX "gv-"

/* what the address of a policy server begins with */
#define SOCKET_PREFIX "unix://"

#define DEFAULT_LIFETIME 3600
#define DEFAULT_ATD 10
#define DEFAULT_DTD 20
#define DEFAULT_REPLAY_WINDOW 128
#define DEFAULT_KEK_LIFETIME 86400
#define DEFAULT_MAX_PREFIXES 64

typedef struct private_groupvpn_config_t private_groupvpn_config_t;

/**
 * Private data
 */
struct private_groupvpn_config_t {

	/**
	 * Public interface
	 */
	groupvpn_config_t public;

	/**
	 * Path of swanctl.conf
	 */
	char *file;

	/**
	 * Valid groups, as groupvpn_group_t
	 */
	linked_list_t *groups;

	/**
	 * Whether these are all that the file has
	 */
	bool complete;
};

/*
 * See header
 */
groupvpn_group_t *groupvpn_group_get_ref(groupvpn_group_t *this)
{
	ref_get(&this->ref);
	return this;
}

/**
 * Destroy a list of patterns
 */
static void destroy_patterns(linked_list_t *patterns)
{
	patterns->destroy_offset(patterns, offsetof(identification_t, destroy));
}

/**
 * Destroy who may claim a prefix
 */
static void allowed_destroy(groupvpn_allowed_t *this)
{
	DESTROY_IF(this->who);
	free(this);
}

/**
 * Compare who may claim a prefix
 */
static bool allowed_equals(groupvpn_allowed_t *a, groupvpn_allowed_t *b)
{
	return gv_prefix_cmp(&a->prefix, &b->prefix) == 0 &&
		   (a->who == b->who ||
			(a->who && b->who && a->who->equals(a->who, b->who)));
}

/**
 * Compare the prefixes of two members
 */
static bool prefixes_equal(groupvpn_group_t *a, groupvpn_group_t *b)
{
	return a->by_keys == b->by_keys && a->prefix_count == b->prefix_count &&
		   (!a->prefix_count ||
			memeq(a->prefixes, b->prefixes,
				  a->prefix_count * sizeof(*a->prefixes)));
}

/**
 * Compare two lists of patterns
 */
static bool patterns_equal(linked_list_t *a, linked_list_t *b)
{
	return a->equals_offset(a, b, offsetof(identification_t, equals));
}

/*
 * See header
 */
bool groupvpn_matches(linked_list_t *patterns, identification_t *identity)
{
	enumerator_t *enumerator;
	identification_t *pattern;
	bool found = FALSE;

	enumerator = patterns->create_enumerator(patterns);
	while (!found && enumerator->enumerate(enumerator, &pattern))
	{
		found = identity->matches(identity, pattern) != ID_MATCH_NONE;
	}
	enumerator->destroy(enumerator);
	return found;
}

/*
 * See header
 */
void groupvpn_group_destroy(groupvpn_group_t *this)
{
	if (this && ref_put(&this->ref))
	{
		destroy_patterns(this->members);
		destroy_patterns(this->issuers);
		destroy_patterns(this->certificates);
		destroy_patterns(this->senders);
		destroy_patterns(this->receivers);
		free(this->policy);
		this->gcks->destroy_function(this->gcks, free);
		this->reflectors->destroy_offset(this->reflectors,
										 offsetof(host_t, destroy));
		this->allowed->destroy_function(this->allowed,
										(void*)allowed_destroy);
		DESTROY_IF(this->address);
		free(this->prefixes);
		free(this->peers);
		free(this->vrf);
		free(this->device);
		free(this->name);
		free(this);
	}
}

/**
 * Compare two GCKS names
 */
static bool gcks_equals(char *a, char *b)
{
	return streq(a, b);
}

/**
 * Whether two ciphers are the same
 */
static bool cipher_equals(const struct gv_esp_proposal *a,
						  const struct gv_esp_proposal *b)
{
	return a->encr == b->encr && a->key_bits == b->key_bits &&
		   a->integ == b->integ;
}

/*
 * See header
 */
bool groupvpn_group_accepts(groupvpn_group_t *this,
							const struct gv_esp_proposal *esp)
{
	u_int i;

	for (i = 0; i < this->accepted_count; i++)
	{
		if (cipher_equals(&this->accepted[i], esp))
		{
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Compare the ciphers that are accepted
 */
static bool accepted_equals(groupvpn_group_t *this, groupvpn_group_t *other)
{
	u_int i;

	for (i = 0; i < this->accepted_count; i++)
	{
		if (!groupvpn_group_accepts(other, &this->accepted[i]))
		{
			return FALSE;
		}
	}
	return this->accepted_count == other->accepted_count;
}

/*
 * See header
 */
bool groupvpn_group_equals(groupvpn_group_t *this, groupvpn_group_t *other)
{
	return streq(this->name, other->name) &&
		   this->id == other->id &&
		   this->role == other->role &&
		   this->channel == other->channel &&
		   this->reflectors->equals_offset(this->reflectors, other->reflectors,
										   offsetof(host_t, ip_equals)) &&
		   patterns_equal(this->members, other->members) &&
		   this->credential == other->credential &&
		   patterns_equal(this->issuers, other->issuers) &&
		   patterns_equal(this->certificates, other->certificates) &&
		   patterns_equal(this->senders, other->senders) &&
		   patterns_equal(this->receivers, other->receivers) &&
		   this->max_members == other->max_members &&
		   streq(this->policy, other->policy) &&
		   this->esp.encr == other->esp.encr &&
		   this->esp.key_bits == other->esp.key_bits &&
		   this->esp.integ == other->esp.integ &&
		   this->esp.esn == other->esp.esn &&
		   this->sa_mode == other->sa_mode &&
		   this->encap == other->encap &&
		   this->lifetime == other->lifetime &&
		   this->atd == other->atd &&
		   this->dtd == other->dtd &&
		   this->rekey_on_add == other->rekey_on_add &&
		   this->rekey_on_remove == other->rekey_on_remove &&
		   this->replay_window == other->replay_window &&
		   this->rekey_by_bgp == other->rekey_by_bgp &&
		   this->kek_lifetime == other->kek_lifetime &&
		   this->max_prefixes == other->max_prefixes &&
		   this->allowed->equals_function(this->allowed, other->allowed,
										  (void*)allowed_equals) &&
		   prefixes_equal(this, other) &&
		   this->discovery_open == other->discovery_open &&
		   (this->address == other->address ||
			(this->address && other->address &&
			 this->address->ip_equals(this->address, other->address))) &&
		   this->gcks->equals_function(this->gcks, other->gcks,
									   (void*)gcks_equals) &&
		   streq(this->peers, other->peers) &&
		   this->exchange == other->exchange &&
		   accepted_equals(this, other) &&
		   streq(this->vrf, other->vrf) &&
		   streq(this->device, other->device) &&
		   this->fail_open == other->fail_open;
}

/**
 * Add patterns to a digest
 */
static uint32_t hash_patterns(linked_list_t *patterns, uint32_t hash)
{
	enumerator_t *enumerator;
	identification_t *pattern;
	uint32_t type;

	enumerator = patterns->create_enumerator(patterns);
	while (enumerator->enumerate(enumerator, &pattern))
	{
		type = pattern->get_type(pattern);
		hash = chunk_hash_static_inc(chunk_from_thing(type), hash);
		hash = chunk_hash_static_inc(pattern->get_encoding(pattern), hash);
	}
	enumerator->destroy(enumerator);
	/* so that none moves from one list to the other unnoticed */
	type = patterns->get_count(patterns);
	return chunk_hash_static_inc(chunk_from_thing(type), hash);
}

/*
 * See header
 */
uint32_t groupvpn_group_admission(groupvpn_group_t *this)
{
	uint32_t hash = chunk_hash_static(chunk_from_thing(this->credential));

	hash = hash_patterns(this->members, hash);
	hash = hash_patterns(this->issuers, hash);
	hash = hash_patterns(this->certificates, hash);
	if (this->policy)
	{
		hash = chunk_hash_static_inc(chunk_from_str(this->policy), hash);
	}
	return hash ?: 1;
}

/**
 * Parse a decimal number that must be all of the string
 */
static bool parse_number(char *value, uint64_t min, uint64_t max, uint64_t *out)
{
	unsigned long long number;
	char *end;

	if (!isdigit((u_char)*value))
	{
		return FALSE;
	}
	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || *end || number < min || number > max)
	{
		return FALSE;
	}
	*out = number;
	return TRUE;
}

/*
 * See header
 */
bool groupvpn_parse_time(char *value, uint32_t min, uint32_t max, uint32_t *out)
{
	static const struct {
		char unit;
		u_int seconds;
	} units[] = {
		{ 's', 1 },
		{ 'm', 60 },
		{ 'h', 60 * 60 },
		{ 'd', 24 * 60 * 60 },
	};
	char digits[16];
	size_t len = strlen(value);
	u_int i, factor = 1;
	uint64_t number;

	if (!len || len >= sizeof(digits))
	{
		return FALSE;
	}
	for (i = 0; i < countof(units); i++)
	{
		if (value[len - 1] == units[i].unit)
		{
			factor = units[i].seconds;
			len--;
			break;
		}
	}
	memcpy(digits, value, len);
	digits[len] = '\0';
	if (!parse_number(digits, 0, UINT32_MAX, &number))
	{
		return FALSE;
	}
	number *= factor;
	if (number < min || number > max)
	{
		return FALSE;
	}
	*out = number;
	return TRUE;
}

static bool parse_id(groupvpn_group_t *group, char *value)
{
	uint64_t id;

	if (!parse_number(value, 1, UINT32_MAX, &id))
	{
		return FALSE;
	}
	group->id = id;
	return TRUE;
}

static bool parse_role(groupvpn_group_t *group, char *value)
{
	if (streq(value, "member"))
	{
		group->role = GV_ROLE_MEMBER;
	}
	else if (streq(value, "gcks"))
	{
		group->role = GV_ROLE_GCKS;
	}
	return group->role != 0;
}

/**
 * Parse an identity pattern, NULL if it is not valid. Distinguished names must
 * have slashes: those with commas come here in pieces, each of them a valid name
 * of other members than the operator meant.
 */
static identification_t *parse_pattern(char *token)
{
	identification_t *pattern;
	size_t name = strcspn(token, "=");
	bool typed = strcspn(token, ":") < name;

	if (token[name] && !typed && *token != '/')
	{
		return NULL;
	}
	pattern = identification_create_from_string(token);
	if (*token == '/' && pattern->get_type(pattern) != ID_DER_ASN1_DN)
	{
		pattern->destroy(pattern);
		return NULL;
	}
	return pattern;
}

/**
 * Parse identity patterns, separated by commas
 */
static bool parse_patterns(linked_list_t *patterns, char *value)
{
	enumerator_t *enumerator;
	identification_t *pattern;
	char *token;
	bool ok = TRUE;

	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (enumerator->enumerate(enumerator, &token))
	{
		if (*token)
		{
			pattern = parse_pattern(token);
			if (pattern)
			{
				patterns->insert_last(patterns, pattern);
			}
			ok &= pattern != NULL;
		}
	}
	enumerator->destroy(enumerator);
	return ok;
}

/**
 * Parse identity patterns of which there must be one: none would allow all
 */
static bool parse_some_patterns(linked_list_t *patterns, char *value)
{
	return parse_patterns(patterns, value) && patterns->get_count(patterns);
}

static bool parse_members(groupvpn_group_t *group, char *value)
{
	return parse_patterns(group->members, value);
}

static bool parse_issuer(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	identification_t *pattern;
	bool ok = parse_some_patterns(group->issuers, value);

	enumerator = group->issuers->create_enumerator(group->issuers);
	while (enumerator->enumerate(enumerator, &pattern))
	{
		ok &= pattern->get_type(pattern) == ID_DER_ASN1_DN;
	}
	enumerator->destroy(enumerator);
	return ok;
}

static bool parse_certificate(groupvpn_group_t *group, char *value)
{
	return parse_some_patterns(group->certificates, value);
}

static bool parse_senders(groupvpn_group_t *group, char *value)
{
	return parse_some_patterns(group->senders, value);
}

static bool parse_receivers(groupvpn_group_t *group, char *value)
{
	return parse_some_patterns(group->receivers, value);
}

static bool parse_max_members(groupvpn_group_t *group, char *value)
{
	uint64_t count;

	if (!parse_number(value, 1, UINT16_MAX, &count))
	{
		return FALSE;
	}
	group->max_members = count;
	return TRUE;
}

static bool parse_policy(groupvpn_group_t *group, char *value)
{
	struct sockaddr_un addr;

	if (streq(value, "file"))
	{
		return TRUE;
	}
	if (!strpfx(value, SOCKET_PREFIX "/"))
	{
		return FALSE;
	}
	group->policy = strdup(value + strlen(SOCKET_PREFIX));
	return strlen(group->policy) < sizeof(addr.sun_path);
}

static bool parse_credential(groupvpn_group_t *group, char *value)
{
	static const char *names[] = {
		[GROUPVPN_CREDENTIAL_ANY] = "any",
		[GROUPVPN_CREDENTIAL_PSK] = "psk",
		[GROUPVPN_CREDENTIAL_PUBKEY] = "pubkey",
	};
	u_int i;

	for (i = 0; i < countof(names); i++)
	{
		if (streq(value, names[i]))
		{
			group->credential = i;
			return TRUE;
		}
	}
	return FALSE;
}

/**
 * Parse a cipher as swanctl writes them. What its parser would quietly leave
 * out, such as an integrity algorithm beside an AEAD, is an error here.
 */
static bool parse_cipher(char *value, struct gv_esp_proposal *out)
{
	struct gv_esp_proposal esp = { .esn = out->esn };
	proposal_t *proposal;
	enumerator_t *enumerator;
	u_int tokens = 0;
	char *token;

	enumerator = enumerator_create_token(value, "-", " ");
	while (enumerator->enumerate(enumerator, &token))
	{
		tokens++;
	}
	enumerator->destroy(enumerator);
	proposal = proposal_create_from_string(PROTO_ESP, value);
	if (!proposal)
	{
		return FALSE;
	}
	proposal->get_algorithm(proposal, ENCRYPTION_ALGORITHM, &esp.encr,
							&esp.key_bits);
	proposal->get_algorithm(proposal, INTEGRITY_ALGORITHM, &esp.integ, NULL);
	proposal->destroy(proposal);
	if (!gv_esp_key_len(&esp) || tokens != (esp.integ ? 2 : 1))
	{
		return FALSE;
	}
	*out = esp;
	return TRUE;
}

static bool parse_esp_proposal(groupvpn_group_t *group, char *value)
{
	return parse_cipher(value, &group->esp);
}

static bool parse_esp_proposals(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	struct gv_esp_proposal esp = {};
	char *token;
	bool ok = TRUE;

	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (ok && enumerator->enumerate(enumerator, &token))
	{
		ok = parse_cipher(token, &esp);
		if (ok && !groupvpn_group_accepts(group, &esp))
		{
			ok = group->accepted_count < GROUPVPN_ACCEPTED_MAX;
			if (ok)
			{
				group->accepted[group->accepted_count++] = esp;
			}
		}
	}
	enumerator->destroy(enumerator);
	return ok && group->accepted_count;
}

/**
 * Parse one of two words
 */
static bool parse_choice(char *value, char *no, char *yes, bool *out)
{
	*out = streq(value, yes);
	return *out || streq(value, no);
}

static bool parse_sa_mode(groupvpn_group_t *group, char *value)
{
	bool shared;

	if (!parse_choice(value, "derived", "shared", &shared))
	{
		return FALSE;
	}
	group->sa_mode = shared ? GV_SA_SHARED : GV_SA_DERIVED;
	return TRUE;
}

static bool parse_encap(groupvpn_group_t *group, char *value)
{
	static char *names[] = {
		[GV_ENCAP_GRE] = "gre",
		[GV_ENCAP_IPIP] = "ipip",
		[GV_ENCAP_IPIP6] = "ipip6",
	};
	u_int i;

	for (i = GV_ENCAP_GRE; i < countof(names); i++)
	{
		if (streq(value, names[i]))
		{
			group->encap = i;
			return TRUE;
		}
	}
	return FALSE;
}

static bool parse_esn(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "no", "yes", &group->esp.esn);
}

static bool parse_lifetime(groupvpn_group_t *group, char *value)
{
	return groupvpn_parse_time(value, 10, 30 * 24 * 60 * 60, &group->lifetime);
}

static bool parse_atd(groupvpn_group_t *group, char *value)
{
	return groupvpn_parse_time(value, 1, 600, &group->atd);
}

static bool parse_dtd(groupvpn_group_t *group, char *value)
{
	return groupvpn_parse_time(value, 1, 1200, &group->dtd);
}

static bool parse_rekey_on_add(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "no", "yes", &group->rekey_on_add);
}

static bool parse_rekey_on_remove(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "no", "yes", &group->rekey_on_remove);
}

static bool parse_replay_window(groupvpn_group_t *group, char *value)
{
	uint64_t window;

	if (!parse_number(value, 32, 4096, &window) || (window & (window - 1)))
	{
		return FALSE;
	}
	group->replay_window = window;
	return TRUE;
}

static bool parse_rekey(groupvpn_group_t *group, char *value)
{
	group->rekey_by_bgp = streq(value, "bgp");
	return group->rekey_by_bgp || streq(value, "inband");
}

static bool parse_kek_lifetime(groupvpn_group_t *group, char *value)
{
	return groupvpn_parse_time(value, 10, 30 * 24 * 60 * 60, &group->kek_lifetime);
}

static bool parse_max_prefixes(groupvpn_group_t *group, char *value)
{
	uint64_t count;

	if (!parse_number(value, 0, GV_PREFIXES_MAX, &count))
	{
		return FALSE;
	}
	group->max_prefixes = count;
	return TRUE;
}

/**
 * Parse "PREFIX" or "IDENTITY PREFIX"
 */
static groupvpn_allowed_t *parse_allowed(char *token)
{
	groupvpn_allowed_t *allowed;
	char *prefix = strpbrk(token, " \t");
	identification_t *who = NULL;
	struct gv_prefix parsed;

	if (prefix)
	{
		*prefix++ = '\0';
		who = parse_pattern(token);
		if (!who)
		{
			return NULL;
		}
	}
	else
	{
		prefix = token;
	}
	if (!gv_prefix_parse(prefix + strspn(prefix, " \t"), &parsed) ||
		gv_prefix_check(&parsed) != GV_PREFIX_OK)
	{
		DESTROY_IF(who);
		return NULL;
	}
	INIT(allowed,
		.who = who,
		.prefix = parsed,
	);
	return allowed;
}

static bool parse_allowed_prefixes(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	groupvpn_allowed_t *allowed;
	char *token;
	bool ok = TRUE;

	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (ok && enumerator->enumerate(enumerator, &token))
	{
		allowed = parse_allowed(token);
		if (allowed)
		{
			group->allowed->insert_last(group->allowed, allowed);
		}
		ok = allowed != NULL;
	}
	enumerator->destroy(enumerator);
	/* none would allow all */
	return ok && group->allowed->get_count(group->allowed);
}

/**
 * Compare prefixes to sort them
 */
static int compare_prefixes(const void *a, const void *b)
{
	return gv_prefix_cmp(a, b);
}

static bool parse_prefixes(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	struct gv_prefix prefix;
	char *token;
	size_t i;
	bool ok = TRUE;

	group->by_keys = TRUE;
	group->prefixes = calloc(GV_PREFIXES_MAX, sizeof(*group->prefixes));
	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (ok && enumerator->enumerate(enumerator, &token))
	{
		ok = group->prefix_count < GV_PREFIXES_MAX &&
			 gv_prefix_parse(token, &prefix) &&
			 gv_prefix_check(&prefix) == GV_PREFIX_OK;
		if (ok)
		{
			group->prefixes[group->prefix_count++] = prefix;
		}
	}
	enumerator->destroy(enumerator);
	qsort(group->prefixes, group->prefix_count, sizeof(*group->prefixes),
		  compare_prefixes);
	for (i = 1; i < group->prefix_count; i++)
	{
		ok &= gv_prefix_cmp(&group->prefixes[i - 1], &group->prefixes[i]) != 0;
	}
	return ok && group->prefix_count;
}

static bool parse_address(groupvpn_group_t *group, char *value)
{
	struct gv_addr addr;

	if (!gv_addr_parse(value, &addr))
	{
		return FALSE;
	}
	group->address = groupvpn_host(&addr);
	return TRUE;
}

static bool parse_discovery(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "registered", "open", &group->discovery_open);
}

static bool parse_gcks(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	char *token;

	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (enumerator->enumerate(enumerator, &token))
	{
		if (*token)
		{
			group->gcks->insert_last(group->gcks, strdup(token));
		}
	}
	enumerator->destroy(enumerator);
	return group->gcks->get_count(group->gcks) > 0;
}

/**
 * Parse the members that this one names, into one list without spaces
 */
static bool parse_peers(groupvpn_group_t *group, char *value)
{
	enumerator_t *enumerator;
	char *token, list[GV_PEERS_MAX + 1] = "";
	size_t len = 0;
	bool fits = TRUE;

	enumerator = enumerator_create_token(value, ",", " \t\n");
	while (fits && enumerator->enumerate(enumerator, &token))
	{
		if (*token)
		{
			len += snprintf(list + len, sizeof(list) - len, "%s%s",
							len ? "," : "", token);
			fits = len < sizeof(list);
		}
	}
	enumerator->destroy(enumerator);
	free(group->peers);
	group->peers = strdup(list);
	return fits && len;
}

static bool parse_carrier(groupvpn_group_t *group, char *value)
{
	group->exchange = streq(value, "exchange");
	return group->exchange || streq(value, "informational");
}

static bool parse_vrf(groupvpn_group_t *group, char *value)
{
	group->vrf = strdup(value);
	return gv_name_valid(value, GV_IFNAME_MAX);
}

static bool parse_device(groupvpn_group_t *group, char *value)
{
	group->device = strdup(value);
	return gv_name_valid(value, GV_IFNAME_MAX);
}

static bool parse_channel(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "no", "yes", &group->channel);
}

static bool parse_fail(groupvpn_group_t *group, char *value)
{
	return parse_choice(value, "close", "open", &group->fail_open);
}

/* what a list of identities must be, in an error message */
#define IDENTITIES "identities, separated by commas; write a distinguished " \
	"name with slashes and without commas, such as /C=CH/O=Acme/CN=*"

/**
 * All options of a group
 */
static const struct {
	/** name of the option */
	char *name;
	/** role that has it, 0 for both */
	enum gv_role role;
	/** it has no default */
	bool required;
	/** stores the value, FALSE if it is not valid */
	bool (*parse)(groupvpn_group_t *group, char *value);
	/** completes "must be", in an error message */
	char *expected;
} options[] = {
	{ "id", 0, TRUE, parse_id,
		"a number from 1 to 4294967295" },
	{ "role", 0, TRUE, parse_role,
		"\"member\" or \"gcks\"" },
	{ "channel", 0, FALSE, parse_channel,
		"\"yes\" or \"no\"" },
	{ "members", GV_ROLE_GCKS, FALSE, parse_members, IDENTITIES },
	{ "credential", GV_ROLE_GCKS, FALSE, parse_credential,
		"\"any\", \"psk\" or \"pubkey\"" },
	{ "issuer", GV_ROLE_GCKS, FALSE, parse_issuer,
		"distinguished names of CAs, separated by commas and written with "
		"slashes, such as /C=CH/O=Acme/CN=*" },
	{ "certificate", GV_ROLE_GCKS, FALSE, parse_certificate,
		"at least one of " IDENTITIES },
	{ "senders", GV_ROLE_GCKS, FALSE, parse_senders,
		"at least one of " IDENTITIES },
	{ "receivers", GV_ROLE_GCKS, FALSE, parse_receivers,
		"at least one of " IDENTITIES },
	{ "max_members", GV_ROLE_GCKS, FALSE, parse_max_members,
		"a number from 1 to 65535" },
	{ "policy", GV_ROLE_GCKS, FALSE, parse_policy,
		"\"file\", or \"" SOCKET_PREFIX "\" and the absolute path of a socket "
		"of at most 107 characters" },
	{ "esp_proposal", GV_ROLE_GCKS, FALSE, parse_esp_proposal,
		"one of \"aes128gcm16\", \"aes192gcm16\", \"aes256gcm16\", "
		"\"chacha20poly1305\"; or \"aes128\", \"aes192\", \"aes256\" followed "
		"by \"-sha256\", \"-sha384\" or \"-sha512\"" },
	{ "sa_mode", GV_ROLE_GCKS, FALSE, parse_sa_mode,
		"\"derived\" or \"shared\"" },
	{ "encap", GV_ROLE_GCKS, FALSE, parse_encap,
		"\"gre\", \"ipip\" or \"ipip6\"" },
	{ "esn", GV_ROLE_GCKS, FALSE, parse_esn,
		"\"yes\" or \"no\"" },
	{ "lifetime", GV_ROLE_GCKS, FALSE, parse_lifetime,
		"a time from 10s to 30d, such as 3600s or 1h" },
	{ "atd", GV_ROLE_GCKS, FALSE, parse_atd,
		"a time from 1s to 10m" },
	{ "dtd", GV_ROLE_GCKS, FALSE, parse_dtd,
		"a time from 1s to 20m" },
	{ "rekey_on_add", GV_ROLE_GCKS, FALSE, parse_rekey_on_add,
		"\"yes\" or \"no\"" },
	{ "rekey_on_remove", GV_ROLE_GCKS, FALSE, parse_rekey_on_remove,
		"\"yes\" or \"no\"" },
	{ "replay_window", GV_ROLE_GCKS, FALSE, parse_replay_window,
		"a power of two from 32 to 4096" },
	{ "rekey", GV_ROLE_GCKS, FALSE, parse_rekey,
		"\"bgp\" or \"inband\"" },
	{ "kek_lifetime", GV_ROLE_GCKS, FALSE, parse_kek_lifetime,
		"a time from 10s to 30d, such as 86400s or 1d" },
	{ "max_prefixes", GV_ROLE_GCKS, FALSE, parse_max_prefixes,
		"a number from 0 to 256" },
	{ "allowed_prefixes", GV_ROLE_GCKS, FALSE, parse_allowed_prefixes,
		"prefixes, each after an identity and a space if it is for that only, "
		"separated by commas, such as 10.0.0.0/8 or *.example.net 10.0.0.0/8" },
	{ "address", GV_ROLE_GCKS, FALSE, parse_address,
		"an address of this host" },
	{ "discovery", GV_ROLE_GCKS, FALSE, parse_discovery,
		"\"registered\" or \"open\"" },
	{ "gcks", GV_ROLE_MEMBER, TRUE, parse_gcks,
		"names of connections, separated by commas" },
	{ "peers", GV_ROLE_MEMBER, FALSE, parse_peers,
		"identities, labels or gateway addresses of members, separated by "
		"commas, at most 1000 characters" },
	{ "prefixes", GV_ROLE_MEMBER, FALSE, parse_prefixes,
		"unicast prefixes such as 10.1.0.0/24 or 2001:db8:1::/48, separated by "
		"commas: without bits beyond the length, none twice, no default route, "
		"at most 256" },
	{ "esp_proposals", GV_ROLE_MEMBER, FALSE, parse_esp_proposals,
		"ciphers as of 'esp_proposal' of a GCKS, separated by commas" },
	{ "carrier", GV_ROLE_MEMBER, FALSE, parse_carrier,
		"\"informational\" or \"exchange\"" },
	{ "vrf", GV_ROLE_MEMBER, FALSE, parse_vrf,
		"the name of a VRF device, 1 to 15 characters" },
	{ "device", GV_ROLE_MEMBER, FALSE, parse_device,
		"the name of an interface, 1 to 15 characters of A-Z a-z 0-9 _ . -" },
	{ "fail", GV_ROLE_MEMBER, FALSE, parse_fail,
		"\"close\" or \"open\"" },
};

/**
 * Log an error in a group; always FALSE
 */
static bool complain(private_groupvpn_config_t *this, char *name, char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	DBG1(DBG_CFG, "groupvpn: %s: group '%s': %s", this->file, name, text);
	return FALSE;
}

/**
 * Parse one option. The role may be unknown when that is itself in error.
 */
static bool parse_option(private_groupvpn_config_t *this,
						 groupvpn_group_t *group, char *key, char *value)
{
	u_int i;

	for (i = 0; i < countof(options); i++)
	{
		if (!streq(key, options[i].name))
		{
			continue;
		}
		if (options[i].role && group->role && options[i].role != group->role)
		{
			return complain(this, group->name, "option '%s' is for role = %s, "
							"this group has role = %s", key,
							options[i].role == GV_ROLE_GCKS ? "gcks" : "member",
							group->role == GV_ROLE_GCKS ? "gcks" : "member");
		}
		if (!options[i].parse(group, value))
		{
			return complain(this, group->name, "%s = \"%s\": must be %s",
							key, value, options[i].expected);
		}
		return TRUE;
	}
	return complain(this, group->name, "unknown option '%s' (value \"%s\")",
					key, value);
}

/**
 * Whether all options without a default are there
 */
static bool check_required(private_groupvpn_config_t *this,
						   settings_t *settings, groupvpn_group_t *group)
{
	bool ok = TRUE;
	u_int i;

	for (i = 0; i < countof(options); i++)
	{
		if (options[i].required &&
			(!options[i].role || options[i].role == group->role) &&
			!settings->get_str(settings, "groups.%s.%s", NULL, group->name,
							   options[i].name))
		{
			ok = complain(this, group->name, "option '%s' is missing: must be "
						  "%s", options[i].name, options[i].expected);
		}
	}
	return ok;
}

/**
 * Whether cipher, sequence numbers and replay window are such as SAs that many
 * send with can have
 */
static bool check_shared(private_groupvpn_config_t *this, settings_t *settings,
						 groupvpn_group_t *group)
{
	char *window;
	bool ok = TRUE;

	if (!group->esp.integ)
	{
		ok = complain(this, group->name, "sa_mode = \"shared\": not with an "
					  "AEAD cipher (AES-GCM, ChaCha20-Poly1305): each sender's "
					  "kernel draws the IVs on its own, under one key they "
					  "would repeat and give it away; set 'esp_proposal', to "
					  "\"aes256-sha256\" say, or sa_mode = \"derived\"");
	}
	if (settings->get_bool(settings, "groups.%s.esn", FALSE, group->name))
	{
		ok = complain(this, group->name, "esn = \"yes\": not with sa_mode = "
					  "\"shared\", where each sender counts on its own");
	}
	if (group->channel)
	{
		ok = complain(this, group->name, "channel = \"yes\": not with sa_mode = "
					  "\"shared\"");
	}
	window = settings->get_str(settings, "groups.%s.replay_window", NULL,
							   group->name);
	if (window)
	{
		ok = complain(this, group->name, "replay_window = \"%s\": not with "
					  "sa_mode = \"shared\", which has no replay protection",
					  window);
	}
	group->esp.esn = FALSE;
	group->replay_window = 0;
	return ok;
}

/**
 * Whether the configuration of a GCKS fits together
 */
static bool check_gcks(private_groupvpn_config_t *this, settings_t *settings,
					   groupvpn_group_t *group)
{
	int family = groupvpn_encap_family(group->encap);

	if (group->dtd <= group->atd)
	{
		return complain(this, group->name, "dtd = %us: must be longer than "
						"atd = %us", group->dtd, group->atd);
	}
	if (group->lifetime < 2 * group->dtd)
	{
		return complain(this, group->name, "lifetime = %us: must be at least "
						"twice dtd = %us", group->lifetime, group->dtd);
	}
	if (group->credential == GROUPVPN_CREDENTIAL_PSK &&
		(group->issuers->get_count(group->issuers) ||
		 group->certificates->get_count(group->certificates)))
	{
		return complain(this, group->name, "credential = psk: must be \"pubkey\" "
						"or \"any\", with a pre-shared key there is no "
						"certificate for 'issuer' and 'certificate'");
	}
	if (group->sa_mode == GV_SA_SHARED && !check_shared(this, settings, group))
	{
		return FALSE;
	}
	if (group->address && group->address->get_family(group->address) != family)
	{
		return complain(this, group->name, "address = %s: must be an %s "
						"address, as encap = %s has gateways with such",
						settings->get_str(settings, "groups.%s.address", "",
										  group->name),
						groupvpn_family_name(family),
						settings->get_str(settings, "groups.%s.encap", "gre",
										  group->name));
	}
	if (group->channel && !group->address)
	{
		return complain(this, group->name, "channel = \"yes\": set 'address' "
						"to the address that members speak BGP to");
	}
	if (group->discovery_open && !group->address)
	{
		return complain(this, group->name, "discovery = \"open\": set "
						"'address' to the address that members reach this "
						"host at");
	}
	if (group->channel)
	{
		group->reflectors->insert_last(group->reflectors,
									group->address->clone(group->address));
	}
	if (!group->members->get_count(group->members))
	{
		DBG1(DBG_CFG, "groupvpn: %s: group '%s': 'members' is empty, nobody "
			 "may join", this->file, group->name);
	}
	return TRUE;
}

/**
 * Get the addresses of the GCKSs of a member from their connections: BGP to them
 * is protected before these are of any use
 */
static bool find_reflectors(private_groupvpn_config_t *this,
							settings_t *settings, groupvpn_group_t *group)
{
	enumerator_t *names, *addresses;
	char *name, *value, *token;
	struct gv_addr addr;
	bool ok = TRUE;

	names = group->gcks->create_enumerator(group->gcks);
	while (names->enumerate(names, &name))
	{
		value = settings->get_str(settings, "connections.%s.remote_addrs", "",
								  name);
		ok &= *value != '\0';
		addresses = enumerator_create_token(value, ",", " ");
		while (addresses->enumerate(addresses, &token))
		{
			if (gv_addr_parse(token, &addr))
			{
				group->reflectors->insert_last(group->reflectors,
											   groupvpn_host(&addr));
			}
			else
			{
				ok = FALSE;
			}
		}
		addresses->destroy(addresses);
		if (!ok)
		{
			complain(this, group->name, "channel = \"yes\": remote_addrs = "
					 "\"%s\" of connection '%s' must be addresses, of the "
					 "S/R that BGP is spoken to", value, name);
			break;
		}
	}
	names->destroy(names);
	return ok;
}

/**
 * Whether the configuration of a member fits together, and its defaults
 */
static bool check_member(private_groupvpn_config_t *this, settings_t *settings,
						 groupvpn_group_t *group)
{
	bool ok = TRUE;

	if (!group->device &&
		asprintf(&group->device, DEVICE_PREFIX "%s", group->name) != -1 &&
		!gv_name_valid(group->device, GV_IFNAME_MAX))
	{
		ok = complain(this, group->name, "the default device name \"%s\" has "
					  "%zu characters, at most %d are possible: set 'device'",
					  group->device, strlen(group->device), GV_IFNAME_MAX);
	}
	if (group->channel)
	{
		ok &= find_reflectors(this, settings, group);
	}
	if (!group->accepted_count)
	{
		parse_esp_proposals(group, "aes256gcm16, aes192gcm16, aes128gcm16, "
							"chacha20poly1305, aes256-sha512, aes256-sha384, "
							"aes256-sha256, aes192-sha512, aes192-sha384, "
							"aes192-sha256, aes128-sha512, aes128-sha384, "
							"aes128-sha256");
	}
	if (group->vrf && streq(group->vrf, group->device))
	{
		ok = complain(this, group->name, "device = \"%s\": must not be the "
					  "name of the VRF", group->device);
	}
	return ok;
}

/**
 * Parse one section; NULL if there is any error in it
 */
static groupvpn_group_t *parse_group(private_groupvpn_config_t *this,
									 settings_t *settings, char *name)
{
	groupvpn_group_t *group;
	enumerator_t *enumerator;
	char *key, *value;
	bool ok = TRUE;

	INIT(group,
		.name = strdup(name),
		.members = linked_list_create(),
		.issuers = linked_list_create(),
		.certificates = linked_list_create(),
		.senders = linked_list_create(),
		.receivers = linked_list_create(),
		.esp = { ENCR_AES_GCM_ICV16, 256, 0, TRUE },
		.lifetime = DEFAULT_LIFETIME,
		.atd = DEFAULT_ATD,
		.dtd = DEFAULT_DTD,
		.rekey_on_remove = TRUE,
		.sa_mode = GV_SA_DERIVED,
		.encap = GV_ENCAP_GRE,
		.replay_window = DEFAULT_REPLAY_WINDOW,
		.rekey_by_bgp = TRUE,
		.kek_lifetime = DEFAULT_KEK_LIFETIME,
		.max_prefixes = DEFAULT_MAX_PREFIXES,
		.allowed = linked_list_create(),
		.gcks = linked_list_create(),
		.reflectors = linked_list_create(),
		.ref = 1,
	);
	if (!gv_name_valid(name, GV_NAME_MAX))
	{
		ok = complain(this, name, "a group's name must have 1 to %d characters "
					  "of A-Z a-z 0-9 _ . - and not begin with . or -",
					  GV_NAME_MAX);
	}
	/* needed to judge the other options, an error is told below */
	parse_role(group, settings->get_str(settings, "groups.%s.role", "", name));
	enumerator = settings->create_key_value_enumerator(settings, "groups.%s",
													   name);
	while (enumerator->enumerate(enumerator, &key, &value))
	{
		ok &= parse_option(this, group, key, value);
	}
	enumerator->destroy(enumerator);
	enumerator = settings->create_section_enumerator(settings, "groups.%s",
													 name);
	while (enumerator->enumerate(enumerator, &key))
	{
		ok = complain(this, name, "unknown section '%s'", key);
	}
	enumerator->destroy(enumerator);

	ok &= check_required(this, settings, group);
	switch (group->role)
	{
		case GV_ROLE_GCKS:
			ok &= check_gcks(this, settings, group);
			break;
		case GV_ROLE_MEMBER:
			ok &= check_member(this, settings, group);
			break;
	}
	if (!ok)
	{
		groupvpn_group_destroy(group);
		return NULL;
	}
	return group;
}

/**
 * Whether a group can live beside those already accepted
 */
static bool check_others(private_groupvpn_config_t *this, linked_list_t *groups,
						 groupvpn_group_t *group)
{
	enumerator_t *enumerator;
	groupvpn_group_t *other;
	bool ok = TRUE;

	enumerator = groups->create_enumerator(groups);
	while (enumerator->enumerate(enumerator, &other))
	{
		if (other->id == group->id)
		{
			ok = complain(this, group->name, "id = %u: is the id of group "
						  "'%s', must be unique", group->id, other->name);
		}
		if (group->device && streq(other->device, group->device))
		{
			ok = complain(this, group->name, "device = \"%s\": is the device "
						  "of group '%s', must be unique", group->device,
						  other->name);
		}
	}
	enumerator->destroy(enumerator);
	return ok;
}

/**
 * Find a group by name
 */
static groupvpn_group_t *find_group(private_groupvpn_config_t *this, char *name)
{
	enumerator_t *enumerator;
	groupvpn_group_t *group, *found = NULL;

	enumerator = this->groups->create_enumerator(this->groups);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (streq(group->name, name))
		{
			found = group;
			break;
		}
	}
	enumerator->destroy(enumerator);
	return found;
}

/**
 * Open the file; NULL, and the reason logged, if that is not possible
 */
static settings_t *open_settings(private_groupvpn_config_t *this)
{
	settings_t *settings;

	if (access(this->file, R_OK) == -1)
	{
		DBG1(DBG_CFG, "groupvpn: can not read %s: %s%s", this->file,
			 strerror(errno), errno == EACCES ? " (file permissions, or the "
			 "AppArmor profile of charon)" : "");
		return NULL;
	}
	settings = settings_create(NULL);
	if (!settings->load_files(settings, this->file, FALSE))
	{	/* the parser logged file and line */
		DBG1(DBG_CFG, "groupvpn: %s is not valid, no group is read from it",
			 this->file);
		settings->destroy(settings);
		return NULL;
	}
	return settings;
}

METHOD(groupvpn_config_t, load, bool,
	private_groupvpn_config_t *this)
{
	settings_t *settings;
	linked_list_t *groups;
	enumerator_t *enumerator;
	groupvpn_group_t *group, *old;
	char *name;

	settings = open_settings(this);
	if (!settings)
	{
		return FALSE;
	}
	this->complete = TRUE;
	groups = linked_list_create();
	enumerator = settings->create_section_enumerator(settings, "groups");
	while (enumerator->enumerate(enumerator, &name))
	{
		group = parse_group(this, settings, name);
		if (group && !check_others(this, groups, group))
		{
			groupvpn_group_destroy(group);
			group = NULL;
		}
		old = find_group(this, name);
		if (!group && old && check_others(this, groups, old))
		{
			DBG1(DBG_CFG, "groupvpn: group '%s' keeps its previous "
				 "configuration", name);
			group = groupvpn_group_get_ref(old);
		}
		else if (!group)
		{
			DBG1(DBG_CFG, "groupvpn: group '%s' is not loaded", name);
			this->complete = FALSE;
			continue;
		}
		groups->insert_last(groups, group);
	}
	enumerator->destroy(enumerator);
	/* the file holds IKE secrets, too */
	settings->destroy_clear(settings);

	this->groups->destroy_function(this->groups, (void*)groupvpn_group_destroy);
	this->groups = groups;
	return TRUE;
}

METHOD(groupvpn_config_t, create_enumerator, enumerator_t*,
	private_groupvpn_config_t *this)
{
	return this->groups->create_enumerator(this->groups);
}

METHOD(groupvpn_config_t, is_complete, bool,
	private_groupvpn_config_t *this)
{
	return this->complete;
}

METHOD(groupvpn_config_t, destroy, void,
	private_groupvpn_config_t *this)
{
	this->groups->destroy_function(this->groups, (void*)groupvpn_group_destroy);
	free(this->file);
	free(this);
}

/*
 * See header
 */
groupvpn_config_t *groupvpn_config_create(char *file)
{
	private_groupvpn_config_t *this;

	INIT(this,
		.public = {
			.load = _load,
			.create_enumerator = _create_enumerator,
			.is_complete = _is_complete,
			.destroy = _destroy,
		},
		.file = strdup(file),
		.groups = linked_list_create(),
	);
	return &this->public;
}
