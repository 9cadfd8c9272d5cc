/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Registration table of one group at its GCKS: who is a member, and by which
 * identifiers.
 *
 * @defgroup groupvpn_registrations groupvpn_registrations
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_REGISTRATIONS_H_
#define GROUPVPN_REGISTRATIONS_H_

#include "groupvpn_ike_index.h"
#include "groupvpn_prefixes.h"
#include "groupvpn_share.h"

#include <gikev2.h>

#include <library.h>
#include <credentials/auth_cfg.h>
#include <credentials/certificates/certificate.h>
#include <networking/host.h>
#include <sa/ike_sa_id.h>
#include <utils/identification.h>

/** how far a Sender-ID that a member says it holds may be above those that
 * were counted */
#define GROUPVPN_HELD_MAX 65536

typedef struct groupvpn_registrations_t groupvpn_registrations_t;

/**
 * One identity that has registered. The entry outlives its registration, so
 * that member-ID and Sender-ID wait for the member to come back.
 */
struct groupvpn_registration_t {

	/** group the entry is of */
	uint32_t group_id;

	/** authenticated identity */
	identification_t *identity;

	/** member-ID of the identity, not 0 */
	uint16_t member_id;

	/** Sender-ID, 0 if none is held */
	uint32_t sender_id;

	/** the one it held last, below which it never gets another one */
	uint32_t last_sender_id;

	/** how the identity was authenticated last, AUTH_CLASS_ANY if not known */
	auth_class_t class;

	/** certificate it was authenticated with last, NULL if there was none or
	 * if it is not known */
	certificate_t *certificate;

	/** it is from an earlier run of the GCKS whose store has not got the
	 * certificate, if there was any */
	bool remembered;

	/** what it may do */
	enum gv_direction direction;

	/** name that policy has for it, empty if none */
	char label[GV_NAME_MAX + 1];

	/** what is known of its last authentication by a certificate, with those
	 * that it has sent; NULL if there was none or if it is not known */
	auth_cfg_t *auth;

	/** what it has used of its share of new Sender-IDs, and of new epochs
	 * because it comes and leaves */
	groupvpn_share_t sender_ids;
	groupvpn_share_t epochs;

	/** whether the store has the entry, and the Sender-ID it has of it */
	bool stored;
	uint32_t stored_sender_id;

	/** ticket of the store, up to which it has to be durable before the member
	 * is answered; 0 if nothing has to */
	uint64_t ticket;

	/** where it registered from, NULL if it is not registered */
	host_t *gateway;

	/** members that it names, NULL for all; see groupvpn_group_t.peers */
	char *peers;

	/** its prefixes, NULL if none were ever told of; whether it has no bgpd and
	 * gets lists of the others; see groupvpn_gcks_prefixes.h */
	groupvpn_prefixes_t *prefixes;
	bool by_keys;
	bool too_many;

	/** an earlier run of the GCKS had it, and it was not back since; it is back
	 * after that */
	bool awaited;
	bool returned;

	/** state of the group that its last change brought, and what others are told
	 * since besides its prefixes; 0 if it is gone */
	uint32_t changed;
	uint32_t shown_id;
	struct gv_addr shown_gateway;

	/** state that it was told, and that it will be with the list under way;
	 * whether it knows that this is all, and will */
	uint32_t told;
	uint32_t telling;
	bool complete;
	bool completing;

	/** lists it has refused in a row, after which it is told all anew, not
	 * before a time, groupvpn_now() based */
	u_int refusals;
	uint64_t not_before;

	/** a list is under way, in a request with this Message-ID */
	bool listing;
	uint32_t list_id;

	/** since when it is registered, groupvpn_now() based */
	uint64_t since;

	/** up to when it was registered, groupvpn_now() based; 0 if it never was,
	 * or if an earlier run of the GCKS removed it */
	uint64_t until;

	/** IKE_SA it is registered by; unique ID 0 if it is not registered */
	uint32_t ike_sa;
	ike_sa_id_t *ike_sa_id;

	/** it was given the Rekey SA, as its bgpd brings it GSA_REKEY messages */
	bool by_bgp;

	/** an in-band rekey over that IKE_SA waits for its response */
	bool rekeying;

	/** since when, groupvpn_now() based */
	uint64_t pushed;

	/** epochs before the newest one that it owes the answer for, and whether
	 * there is more to send when it has answered */
	u_int misses;
	bool again;

	/** rekeys it has refused in a row, and whether to send them once more is
	 * scheduled */
	u_int refused;
	bool repeating;
};

/**
 * The registrations. Not thread-safe, its owner locks it.
 */
struct groupvpn_registrations_t {

	/**
	 * Find the entry of an identity, and make one if there is none.
	 *
	 * @param member_id	member-ID to give a new entry if it is free, or 0
	 * @return			entry, owned by the table; NULL if there is no
	 *					member-ID left
	 */
	groupvpn_registration_t *(*get)(groupvpn_registrations_t *this,
									identification_t *identity,
									uint16_t member_id);

	/**
	 * Find the entry with a member-ID, NULL if there is none.
	 */
	groupvpn_registration_t *(*find)(groupvpn_registrations_t *this,
									 uint16_t member_id);

	/**
	 * Find the entry of an identity, NULL if there is none.
	 */
	groupvpn_registration_t *(*find_identity)(groupvpn_registrations_t *this,
											  identification_t *identity);

	/**
	 * Find the entry that is registered from a gateway, NULL if there is none.
	 */
	groupvpn_registration_t *(*find_gateway)(groupvpn_registrations_t *this,
											 host_t *gateway);

	/**
	 * Register an entry: tie it to an IKE_SA and a gateway, from which no
	 * other entry may be registered.
	 *
	 * @param ike_sa	unique ID of the IKE_SA
	 * @param ike_sa_id	its SPIs, cloned
	 * @param gateway	address, cloned; may be the entry's own
	 */
	void (*set)(groupvpn_registrations_t *this,
				groupvpn_registration_t *registration, uint32_t ike_sa,
				ike_sa_id_t *ike_sa_id, host_t *gateway);

	/**
	 * Mark an entry as not registered.
	 */
	void (*clear)(groupvpn_registrations_t *this,
				  groupvpn_registration_t *registration);

	/**
	 * Number of entries that are registered.
	 */
	u_int (*get_count)(groupvpn_registrations_t *this);

	/**
	 * Give an entry a Sender-ID that was never given since the last restart,
	 * higher than any it had. The member may say that it holds one of an
	 * earlier run, then it gets that if nobody has had it since. One that
	 * is more than GROUPVPN_HELD_MAX above those counted is not believed.
	 *
	 * @param held		Sender-ID that the member says it holds, 0 if none
	 * @return			FALSE if there is none left: start a new epoch, and
	 *					call restart()
	 */
	bool (*allot)(groupvpn_registrations_t *this,
				  groupvpn_registration_t *registration, uint32_t held);

	/**
	 * Make an entry as an earlier run of the GCKS has stored it. Nobody else
	 * gets its identifiers.
	 *
	 * @param auth		its certificates, which the entry then owns; NULL if
	 *					there are none
	 */
	void (*restore)(groupvpn_registrations_t *this, identification_t *identity,
					uint16_t member_id, uint32_t sender_id,
					auth_class_t class, auth_cfg_t *auth);

	/**
	 * Allot no Sender-ID up to this one, an earlier run may have given it.
	 */
	void (*skip)(groupvpn_registrations_t *this, uint32_t sender_id);

	/**
	 * Begin to allot Sender-IDs anew, for a new epoch.
	 *
	 * Those held now are still not given to others, whether their members are
	 * registered or not: who has the KEK enters the epoch by a GSA_REKEY
	 * message, with the Sender-ID that it has.
	 */
	void (*restart)(groupvpn_registrations_t *this);

	/**
	 * Enumerate all entries, those not registered included.
	 *
	 * @return			enumerator over groupvpn_registration_t*
	 */
	enumerator_t *(*create_enumerator)(groupvpn_registrations_t *this);

	/**
	 * Destroy the table.
	 */
	void (*destroy)(groupvpn_registrations_t *this);
};

/**
 * Create an empty table.
 *
 * @param group_id		group that it is of
 * @param index			index to keep its registrations in
 */
groupvpn_registrations_t *groupvpn_registrations_create(uint32_t group_id,
												groupvpn_ike_index_t *index);

#endif /** GROUPVPN_REGISTRATIONS_H_ @}*/
