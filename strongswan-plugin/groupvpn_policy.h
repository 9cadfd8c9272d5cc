/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Interface to the policy engine: who may be a member of a group, and what a
 * member may do.
 *
 * The GCKS asks it about each round of authentication of the peer, before it
 * allots anything. It never waits: what can not be decided yet can be asked
 * for, and goes on with a job once there is an answer.
 *
 * @defgroup groupvpn_policy groupvpn_policy
 * @{ @ingroup groupvpn
 */

#ifndef GROUPVPN_POLICY_H_
#define GROUPVPN_POLICY_H_

#include "groupvpn_config.h"

#include <gikev2.h>

#include <credentials/auth_cfg.h>
#include <credentials/certificates/certificate.h>
#include <plugins/vici/vici_builder.h>
#include <processing/jobs/job.h>

typedef struct groupvpn_policy_t groupvpn_policy_t;
typedef struct groupvpn_applicant_t groupvpn_applicant_t;
typedef struct groupvpn_decision_t groupvpn_decision_t;
typedef struct groupvpn_policy_listener_t groupvpn_policy_listener_t;
typedef enum groupvpn_verdict_t groupvpn_verdict_t;

/**
 * What is known of one who is a member, or asks to be one. All of it belongs to
 * the caller.
 */
struct groupvpn_applicant_t {

	/** authenticated identity */
	identification_t *identity;

	/** how it was authenticated, AUTH_CLASS_ANY if that is not known */
	auth_class_t class;

	/** certificate it was authenticated with, NULL if there is none */
	certificate_t *certificate;

	/** it was admitted by an earlier run of the GCKS, and the certificate is
	 * not known, if there was one */
	bool remembered;

	/** where it is, NULL if that is not known */
	host_t *gateway;
};

/**
 * What policy says.
 */
enum groupvpn_verdict_t {
	/** it may be a member */
	GROUPVPN_ALLOWED,
	/** it may not */
	GROUPVPN_REFUSED,
	/** it may not now, but may try again later */
	GROUPVPN_UNDECIDED,
};

/**
 * What policy says, and why.
 */
struct groupvpn_decision_t {

	/** the verdict */
	groupvpn_verdict_t verdict;

	/** what a member may do: GV_BOTH, or only one */
	enum gv_direction direction;

	/** name that policy has for the member, empty if none */
	char label[GV_NAME_MAX + 1];

	/** direction and label are not all that policy says, as it has to be asked
	 * again for that; by review() only */
	bool partial;

	/** reason of a verdict other than GROUPVPN_ALLOWED, for the operator */
	char why[GV_TEXT_MAX + 1];
};

/**
 * Hears of policy that changes by itself. Called with the engine locked: to do
 * anything about it takes a job.
 */
struct groupvpn_policy_listener_t {

	/**
	 * A member may have to be reviewed.
	 *
	 * @param group_id	its group
	 */
	void (*changed)(groupvpn_policy_listener_t *this, uint32_t group_id);

	/**
	 * Policy wants to be asked again about members.
	 *
	 * @param group		name of their group, empty for all groups
	 */
	void (*recheck)(groupvpn_policy_listener_t *this, char *group);
};

/**
 * A policy engine. Thread-safe.
 */
struct groupvpn_policy_t {

	/**
	 * Whether what is needed to decide about an applicant is known and recent.
	 * If not ask() for it, unless there is no time for that.
	 *
	 * @param group		the group
	 * @param applicant	who is to be decided about
	 */
	bool (*is_ready)(groupvpn_policy_t *this, groupvpn_group_t *group,
					 groupvpn_applicant_t *applicant);

	/**
	 * Find out what is needed to decide about an applicant.
	 *
	 * @param group		the group
	 * @param applicant	who is to be decided about
	 * @param then		job to queue when is_ready() is TRUE, which it becomes
	 *					within a bounded time; NULL if none. Owned by the
	 *					engine, which drops it if it has too many already
	 */
	void (*ask)(groupvpn_policy_t *this, groupvpn_group_t *group,
				groupvpn_applicant_t *applicant, job_t *then);

	/**
	 * Ask again about a member, to be reviewed if that changes anything.
	 */
	void (*recheck)(groupvpn_policy_t *this, groupvpn_group_t *group,
					groupvpn_applicant_t *applicant);

	/**
	 * Decide whether one who asks may be a member of a group.
	 *
	 * @param group		the group
	 * @param applicant	who asks
	 * @param decision	receives the decision
	 */
	void (*decide)(groupvpn_policy_t *this, groupvpn_group_t *group,
				   groupvpn_applicant_t *applicant,
				   groupvpn_decision_t *decision);

	/**
	 * Decide whether one who was admitted may remain a member of a group as it
	 * is configured now. What is not known of it does not count against it.
	 *
	 * @param group		the group
	 * @param applicant	who was admitted
	 * @param decision	receives the decision, never GROUPVPN_UNDECIDED
	 */
	void (*review)(groupvpn_policy_t *this, groupvpn_group_t *group,
				   groupvpn_applicant_t *applicant,
				   groupvpn_decision_t *decision);

	/**
	 * Set who hears of changes, NULL for nobody. When it returns the previous
	 * one is not called anymore.
	 */
	void (*set_listener)(groupvpn_policy_t *this,
						 groupvpn_policy_listener_t *listener);

	/**
	 * Add counters of a group to a section of a message.
	 */
	void (*add_counters)(groupvpn_policy_t *this, groupvpn_group_t *group,
						 vici_builder_t *builder);

	/**
	 * Destroy a groupvpn_policy_t.
	 */
	void (*destroy)(groupvpn_policy_t *this);
};

/**
 * Create the engine that decides by the options of the group in swanctl.conf.
 */
groupvpn_policy_t *groupvpn_policy_file_create();

/**
 * Create the engine that also asks the servers of groups that have one, about
 * those whom another engine admits.
 *
 * @param file			the other engine, owned
 * @param timeout		time-out of a question, in milliseconds
 */
groupvpn_policy_t *groupvpn_policy_server_create(groupvpn_policy_t *file,
												 u_int timeout);

#endif /** GROUPVPN_POLICY_H_ @}*/
