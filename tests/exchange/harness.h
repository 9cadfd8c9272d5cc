/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A charon without threads, sockets and kernel, in which a test decides what
 * happens when: messages wait until they are delivered, jobs until they are
 * run. The GCKS role of the plugin is loaded, with a group; the member is the
 * test, by means of the plugin's own exchanges.
 *
 * Sender and kernel are the mocks of strongSwan's exchange tests.  Both ends of
 * each IKE_SA are in the same manager.
 *
 * @defgroup harness harness
 * @{ @ingroup groupvpn
 */

#ifndef HARNESS_H_
#define HARNESS_H_

#include <daemon.h>
#include <encoding/message.h>
#include <sa/ike_sa.h>

#include <gikev2.h>

#define GROUP "blue"
#define GROUP_ID 100

/**
 * One end of an IKE_SA, remembered by its unique ID.
 */
typedef uint32_t end_t;

/**
 * What the answers to registrations and the rekeys of the GCKS brought.
 */
typedef struct {
	/* answers with keys, and the last one's content */
	u_int answers;
	uint32_t sender_id;
	uint16_t member_id;
	uint32_t epoch;
	/* answers that refuse */
	u_int refusals;
	/* registrations whose IKE_SA ended before the answer */
	u_int lost;
	/* rekeys received, those refused included, and the last one's newest
	 * epoch */
	u_int rekeys;
	uint32_t rekey_epoch;
} seen_t;

extern seen_t seen;

/**
 * How many of the rekeys that come next the member refuses.
 */
extern u_int refuse_rekeys;

/**
 * Start charon, once; FALSE if something that is needed can not be loaded.
 */
bool harness_init();
void harness_deinit();

/**
 * Start the GCKS with its group, and stop it, along with all IKE_SAs.
 */
void gcks_start();
void gcks_stop();

/**
 * Give the group a new epoch, as the operator would.
 */
void gcks_rekey();

/**
 * Run all jobs, those that they queue included; with time, also what is
 * scheduled for later, once.
 */
void run_jobs();
void pass_time();

/**
 * Take the next message that was sent; NULL if there is none. Jobs are run
 * before.
 */
message_t *take();

/**
 * Deliver a message to whom it is for, adopted; and the same octets again.
 */
void deliver(message_t *message);
message_t *copy(message_t *message);

/**
 * Take and deliver until there are no more messages.
 */
void settle();

/**
 * Establish an IKE_SA between a member and the GCKS.
 *
 * @param gcks			receives the GCKS's end
 * @return				the member's end
 */
end_t establish(end_t *gcks);

/**
 * Have one end do something that sends a request.
 */
void send_registration(end_t member);
void send_ike_rekey(end_t end);
void send_delete(end_t end);

/**
 * Whether an end still exists, and the one that took its place; 0 if none.
 */
bool exists(end_t end);
end_t successor(end_t end);

#endif /** HARNESS_H_ @}*/
