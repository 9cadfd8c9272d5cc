/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bgpd module's own types, and what its files offer one another.
 *
 *   bgp_groupvpn.c         set-up, configuration commands and their writing
 *   bgp_groupvpn_ctl.c     the control socket to charon
 *   bgp_groupvpn_group.c   groups, bindings, registrations: what is up and why
 *   bgp_groupvpn_path.c    the group attribute in bgpd's attributes, and paths
 *                          of our own in bgpd's tables
 *   bgp_groupvpn_queue.c   what bgpd's hooks report, until it is looked at
 *   bgp_groupvpn_static.c  S/R: groups that the configuration has, not charon
 *   bgp_groupvpn_defer.c   VPN routes after a graceful restart of this bgpd
 *   bgp_groupvpn_policy.c  our route-maps on neighbours
 *   bgp_groupvpn_neighbor.c  S/R: whom a neighbour stands for
 *   bgp_groupvpn_scope.c   S/R: what of which groups a neighbour gets
 *   bgp_groupvpn_rr.c      S/R: descriptors, reflection, policing
 *   bgp_groupvpn_origin.c  S/R: announces members that have no bgpd
 *   bgp_groupvpn_hand.c    S/R: hands charon what is heard, for those
 *   bgp_groupvpn_discovery.c  member-to-be: where the key server is
 *   bgp_groupvpn_read.c    member: what a group attribute says
 *   bgp_groupvpn_inner.c   member: inner attributes, out of and into bgpd's
 *   bgp_groupvpn_seal.c    member: what a route is announced as
 *   bgp_groupvpn_route.c   member: hearing, opening, injecting
 *   bgp_groupvpn_export.c  member: announcing
 *   bgp_groupvpn_zebra.c   member: kernel routes through zebra
 *   bgp_groupvpn_restart.c   member: those while bgpd is away
 *   bgp_groupvpn_show.c    show and clear commands
 *   bgp_groupvpn_explain.c show ... explain: where it stops, and why
 *
 * Everything runs on bgpd's main thread.  Two rules keep bgpd responsive:
 * hooks only queue, and an event handles a bounded number of items
 * (GVPN_BATCH) before it yields.  To put items into a queue, a list operation
 * for each, is not bounded, nor is the end of a group or of its binding, which
 * takes back all of its opened routes at once.
 */
#ifndef BGP_GROUPVPN_H
#define BGP_GROUPVPN_H

#include "lib/typesafe.h"
#include "lib/typerb.h"
#include "lib/memory.h"
#include "lib/json.h"

#include "attr.h"
#include "control.h"
#include "crypto.h"
#include "inner.h"
#include "keys.h"
#include "seal.h"

#define GVPN_BATCH 256	    /* items per event */
#define GVPN_STALE_TIME 300 /* s that a restarted charon has to repeat itself */
/* s that routes of an epoch are taken after charon has ended it: the others end
 * it, and withdraw what they sealed in it, at nearly the same time */
#define GVPN_FORGET_TIME 5

DECLARE_MGROUP(GROUPVPN);

/* Why a path is not used.  The first are those of enum gv_attr_error. */
enum gvpn_drop {
	GVPN_DROP_NONE = GV_ATTR_OK,
	/* seen by whoever decodes the attribute */
	GVPN_DROP_RD = GV_ATTR_ERRORS, /* RD is not member-ID:group-ID */
	/* seen by an S/R */
	GVPN_DROP_UNKNOWN_GROUP,
	GVPN_DROP_KIND, /* a neighbour announces a descriptor */
	GVPN_DROP_NOT_REGISTERED,
	GVPN_DROP_GATEWAY, /* not the gateway that registered */
	GVPN_DROP_SENDER,
	/* seen by a member */
	GVPN_DROP_ROUTE_EPOCH,
	GVPN_DROP_OWN_ID, /* somebody else uses our member-ID */
	GVPN_DROP_PLAIN,  /* not sealed, and the binding is not plain */
	GVPN_DROP_SEAL,	  /* does not open */
	GVPN_DROP_PREFIX, /* opened, but not a unicast prefix */
	GVPN_DROP_COVERS, /* would swallow the outer packets */
	GVPN_DROP_LOOP,	  /* has been here, by its inner AS path */
	GVPN_DROPS
};

/* A path of our own in one of bgpd's tables.  Both are locked. */
struct gvpn_own {
	struct bgp_dest *dest;
	struct bgp_path_info *pi;
};

/* A prefix of a bound instance that is announced to the group. */
PREDECL_HASH(gvpn_exports);
struct gvpn_export {
	struct gvpn_exports_item item;
	struct prefix prefix;
	struct prefix nlri;
	struct gvpn_own own;
	struct gvpn_own old; /* sealed in the route epoch before */
};

#define GVPN_SHARED 64 /* attributes that are kept for routes to share */

/* A walk over one table of a bound instance. */
struct gvpn_export_walk {
	struct gvpn_bind *bind;
	afi_t afi;
	struct bgp_dest *at; /* locked; NULL: at the beginning */
	uint64_t from;	     /* only what is newer than this version */
	uint64_t version;    /* of the table when the walk began */
	bool again;	     /* from the beginning, all of it */
	struct event *t_walk;
};

/* What an instance takes, and what it announces. */
enum gvpn_rmap { GVPN_RMAP_IN, GVPN_RMAP_OUT, GVPN_RMAPS };

/* "group-vpn member NAME" in one BGP instance. */
PREDECL_DLIST(gvpn_binds);
struct gvpn_bind {
	struct gvpn_binds_item item;
	struct bgp *bgp;
	char name[GV_NAME_MAX + 1];
	struct gvpn_group *group; /* NULL: charon does not know the name */
	char problem[128];	  /* logged last, see gvpn_bind_problem() */
	bool fresh; /* there may be more lines of it: not in use yet */
	bool plain; /* routes are announced, and taken, unsealed, too */
	char *rmap[GVPN_RMAPS]; /* names of route-maps, NULL: none */

	/* See bgp_groupvpn_restart.c. */
	vrf_id_t kept_vrf; /* as zebra was told; VRF_UNKNOWN: it was not */
	bool refreshed;	   /* and knows that it has all routes again */

	/* What is announced; see bgp_groupvpn_export.c. */
	bool announcing;
	struct bgp *vpn; /* the instance whose VPN table it is in */
	struct prefix_rd rd;
	uint8_t *seal_key;	  /* GV_SECRET_LEN, as all keys here */
	uint32_t route_epoch;	  /* of seal_key */
	uint32_t old_route_epoch; /* of exports' old; 0: they are withdrawn */
	struct attr *member_attr; /* interned */
	struct gvpn_shared *shared[GVPN_SHARED];
	bool told_no_next_hop; /* for plain IPv4 routes */
	struct gvpn_own member;
	struct gvpn_exports_head exports[1];
	struct gvpn_export_walk walks[2]; /* IPv4, IPv6 */
	struct event *t_poll;
};

/* A VPN route with a group attribute, as a member hears it. */
PREDECL_HASH(gvpn_heards);
PREDECL_HASH(gvpn_injecteds);
PREDECL_DLIST(gvpn_group_heards);
PREDECL_DLIST(gvpn_member_heards);
PREDECL_DLIST(gvpn_dirty);
struct gvpn_heard {
	struct gvpn_heards_item item;		    /* by dest */
	struct gvpn_injecteds_item injected_item;   /* by own.pi, if that is */
	struct gvpn_group_heards_item group_item;   /* group->heards */
	struct gvpn_member_heards_item member_item; /* member->member_routes or
						       ->routes */
	struct gvpn_dirty_item dirty_item;
	bool dirty; /* waits for its turn in dirty_run() */
	bool again; /* judge again, even if the path is the same */

	struct bgp_dest *dest; /* locked */
	struct peer *peer;     /* locked; the sender of the path */
	struct attr *attr;     /* interned; of the path that was judged */
	struct attr *rejected; /* interned; of another one, last dropped */
	struct gvpn_group *group;
	enum gvpn_drop drop;
	uint8_t kind; /* enum gv_attr_kind; 0 if it was not decoded */
	/* Valid if not dropped. */
	uint8_t part;		    /* of a descriptor */
	struct gvpn_member *member; /* NULL: a descriptor */
	uint32_t sender_id;
	struct gv_addr gateway;
	/* Of kind routes. */
	struct prefix prefix; /* opened */
	bool covers;	      /* refused: GVPN_DROP_COVERS */
	bool denied;	      /* by the route-map */
	struct gvpn_own own;  /* injected into the bound instance */
};

/* Another member of a group that we are a member of. */
PREDECL_RBTREE_UNIQ(gvpn_members);
PREDECL_RBTREE_UNIQ(gvpn_underlay);
struct gvpn_member {
	struct gvpn_members_item item;
	struct gvpn_underlay_item underlay_item; /* if heard: by gateway */
	struct gvpn_group *group;
	uint16_t id;
	struct gvpn_member_heards_head member_routes[1];
	struct gvpn_member_heards_head routes[1];
	/* From its member route; heard is false if there is none. */
	bool heard;
	uint32_t sender_id;
	struct gv_addr gateway;
	time_t since;
	/* What charon says: SAs and neighbour are in the kernel, or why not. */
	bool ready;
	char reason[GV_TEXT_MAX + 1];
	/* Opens its routes: in the group's route and other epoch. */
	struct {
		uint32_t epoch; /* 0: not derived yet */
		uint8_t *key;
	} keys[2];
};

/* What comes from a route secret. */
struct gvpn_route_keys {
	uint32_t epoch; /* 0: none */
	uint8_t *secret, *mac_key;
};

/* GSA_REKEY messages, one after the other. */
struct gvpn_chain {
	uint8_t *data;
	size_t len;
};

/* A further part of them that an S/R announces. */
struct gvpn_announced {
	uint8_t *value; /* of the group attribute; NULL: not there yet */
	size_t len;
	struct gvpn_own own;
};

/* What charon says of a group, and what follows from it. */
PREDECL_RBTREE_UNIQ(gvpn_groups);
struct gvpn_group {
	struct gvpn_groups_item item;
	uint32_t id;
	enum gv_role role;
	char name[GV_NAME_MAX + 1];
	struct gv_addr gateway;
	uint32_t epoch, sas;
	bool stale; /* not repeated since charon restarted */
	time_t since;
	uint64_t drops[GVPN_DROPS];
	/* GSA_REKEY messages of the descriptors that are heard, or the first
	 * part of those that are announced, as charon was told of them */
	struct gvpn_chain chains[GV_CTL_CHAINS_MAX];
	unsigned int chain_count;
	struct event *t_rekey; /* descriptors have changed */
	/* of a set whose parts are not all there, 0 if there is none; paths of
	 * descriptors that are not looked at */
	unsigned int parts_heard, parts_of;
	unsigned int paths_left;
	struct event *t_incomplete; /* to tell of it */

	/* GCKS */
	bool fixed;   /* static: of the configuration, with the next two */
	bool shadows; /* charon has it, too, and is not heard */
	struct gv_addr from; /* the neighbour that brings the descriptor */
	uint8_t *descriptor; /* attribute value; NULL: no valid one */
	size_t descriptor_len;
	bool discovery_open; /* it goes to all neighbours */
	struct gvpn_own own; /* the descriptor route */
	struct gvpn_announced parts[GV_PARTS_MAX - 1]; /* from the second on */
	unsigned int reflected; /* routes, counted for "show" */
	unsigned int limiting;	/* members that name others */
	bool wanted;		/* charon wants to know the members' routes */
	bool handing;		/* and was not told yet that these are all */

	/* member */
	char vrf[GV_IFNAME_MAX + 1];
	char device[GV_IFNAME_MAX + 1];
	uint16_t member_id;
	uint32_t sender_id;
	/* We announce with route, and take what comes with route or other. */
	struct gvpn_route_keys route, other;
	bool changing;		/* charon still names other */
	struct event *t_forget; /* it does not: until other is forgotten */
	struct gvpn_bind *bind;
	bool active;		  /* bound, and the VRF agrees */
	unsigned int descriptors; /* heard and valid */
	struct gvpn_members_head members[1];
	struct gvpn_group_heards_head heards[1];
	struct ecommunity *route_target; /* interned; of what is injected */
};

/* What is announced for a member that has no bgpd. */
PREDECL_HASH(gvpn_origins);
struct gvpn_origin {
	struct gvpn_origins_item item;
	struct prefix nlri;
	struct attr *attr; /* interned */
	bool told;	   /* since charon last said that this was all */
	struct gvpn_own own;
};

/* A member of a group that we are the S/R of. */
PREDECL_RBTREE_UNIQ(gvpn_regs);
PREDECL_RBTREE_UNIQ(gvpn_gateways);
struct gvpn_reg {
	struct gvpn_regs_item item;		/* by group, member */
	struct gvpn_gateways_item gateway_item; /* by from, group, member */
	uint32_t group_id;
	uint16_t member_id;
	uint32_t sender_id; /* 0: static, any */
	struct gv_addr gateway;
	struct gv_addr from; /* the neighbour; of itself the gateway */
	bool fixed;	     /* of a static group */
	char identity[GV_TEXT_MAX + 1];
	char label[GV_NAME_MAX + 1]; /* "" for none */
	char *peers;		     /* members that it names, "" for all */
	struct gvpn_origins_head origins[1];
	bool stale;
	bool ask; /* for its routes, once policies are as they should be */
	time_t since;
};

/* A group that charon is to be a member of. */
PREDECL_RBTREE_UNIQ(gvpn_soughts);
struct gvpn_sought {
	struct gvpn_soughts_item item;
	uint32_t group_id;
	char name[GV_NAME_MAX + 1];
	/* Gateways in its descriptors, that of the selected path first. */
	struct gv_addr hints[GV_HINTS_MAX];
	unsigned int n;
	time_t logged; /* 0: not yet */
	struct event *t_report;
};

struct gvpn {
	struct event_loop *master;
	/* configuration */
	uint8_t attr_type;
	bool reflector;	      /* of charon's groups */
	unsigned int statics; /* groups of the configuration */
	char *socket_path;    /* NULL: GV_CTL_PATH */
	bool debug;
	/* state */
	struct gvpn_binds_head binds[1];
	struct gvpn_groups_head groups[1];
	struct gvpn_regs_head regs[1];
	struct gvpn_gateways_head gateways[1];
	struct gvpn_heards_head heards[1];
	uint64_t drops[GVPN_DROPS]; /* of no group that we know */
};
extern struct gvpn gvpn;

/* Whether this is the S/R of any groups. */
static inline bool gvpn_is_reflector(void)
{
	return gvpn.reflector || gvpn.statics > 0;
}

static inline int gvpn_heard_cmp(const struct gvpn_heard *a,
				 const struct gvpn_heard *b)
{
	return numcmp((uintptr_t)a->dest, (uintptr_t)b->dest);
}

static inline uint32_t gvpn_heard_hash(const struct gvpn_heard *heard)
{
	return jhash(&heard->dest, sizeof(heard->dest), 0);
}

static inline int gvpn_member_cmp(const struct gvpn_member *a,
				  const struct gvpn_member *b)
{
	return numcmp(a->id, b->id);
}

static inline int gvpn_group_cmp(const struct gvpn_group *a,
				 const struct gvpn_group *b)
{
	return numcmp(a->id, b->id);
}

static inline int gvpn_reg_cmp(const struct gvpn_reg *a,
			       const struct gvpn_reg *b)
{
	int ret = numcmp(a->group_id, b->group_id);

	return ret ? ret : numcmp(a->member_id, b->member_id);
}

static inline int gvpn_gateway_cmp(const struct gvpn_reg *a,
				   const struct gvpn_reg *b)
{
	int ret = gv_addr_cmp(&a->from, &b->from);

	return ret ? ret : gvpn_reg_cmp(a, b);
}

static inline int gvpn_export_cmp(const struct gvpn_export *a,
				  const struct gvpn_export *b)
{
	return prefix_cmp(&a->prefix, &b->prefix);
}

static inline uint32_t gvpn_export_hash(const struct gvpn_export *export)
{
	return prefix_hash_key(&export->prefix);
}

static inline int gvpn_origin_cmp(const struct gvpn_origin *a,
				  const struct gvpn_origin *b)
{
	return prefix_cmp(&a->nlri, &b->nlri);
}

static inline uint32_t gvpn_origin_hash(const struct gvpn_origin *origin)
{
	return prefix_hash_key(&origin->nlri);
}

DECLARE_HASH(gvpn_origins, struct gvpn_origin, item, gvpn_origin_cmp,
	     gvpn_origin_hash);
DECLARE_DLIST(gvpn_binds, struct gvpn_bind, item);
DECLARE_HASH(gvpn_exports, struct gvpn_export, item, gvpn_export_cmp,
	     gvpn_export_hash);
DECLARE_HASH(gvpn_heards, struct gvpn_heard, item, gvpn_heard_cmp,
	     gvpn_heard_hash);
DECLARE_DLIST(gvpn_group_heards, struct gvpn_heard, group_item);
DECLARE_DLIST(gvpn_member_heards, struct gvpn_heard, member_item);
DECLARE_RBTREE_UNIQ(gvpn_members, struct gvpn_member, item, gvpn_member_cmp);
DECLARE_RBTREE_UNIQ(gvpn_groups, struct gvpn_group, item, gvpn_group_cmp);
DECLARE_RBTREE_UNIQ(gvpn_regs, struct gvpn_reg, item, gvpn_reg_cmp);
DECLARE_RBTREE_UNIQ(gvpn_gateways, struct gvpn_reg, gateway_item,
		    gvpn_gateway_cmp);

#define gvpn_debug(...)                                                        \
	do {                                                                   \
		if (gvpn.debug)                                                \
			zlog_debug("group-vpn: " __VA_ARGS__);                 \
	} while (0)

/* bgp_groupvpn.c ---------------------------------------------------------- */

/* What follows from a changed configuration. */
void gvpn_config_changed(void);
/* Whether a group may have that name; if not, that is told. */
bool gvpn_name_is_valid(struct vty *vty, const char *name);

/* bgp_groupvpn_ctl.c ------------------------------------------------------ */

void gvpn_ctl_init(void);
void gvpn_ctl_fini(void);
/* Connects, reconnects or disconnects, as the configuration now asks. */
void gvpn_ctl_update(void);
/* Connects again, to have all repeated. */
void gvpn_ctl_again(void);

struct gvpn_ctl_status {
	const char *path;
	bool wanted, connected;
	time_t since;	     /* of the last change, monotonic */
	const char *error;   /* why not connected, "" if nothing failed */
	const char *version; /* charon's, from its HELLO */
	uint64_t ignored;    /* messages that were not understood */
};
void gvpn_ctl_status(struct gvpn_ctl_status *status);
void gvpn_ctl_clear(void);
void gvpn_ctl_send_member(const struct gvpn_member *member);
void gvpn_ctl_send_member_down(const struct gvpn_member *member);
void gvpn_ctl_send_rekey(const struct gvpn_group *group);
/* Sets its generation; nothing happens if there is no connection. */
void gvpn_ctl_send(struct gv_ctl_msg *msg);
/* What has time should wait, charon has not taken what there is. */
bool gvpn_ctl_is_busy(void);
void gvpn_ctl_send_discovered(const struct gvpn_sought *sought);

/* bgp_groupvpn_group.c ---------------------------------------------------- */

void gvpn_group_init(void);
void gvpn_group_fini(void);

/* charon's messages; each is valid by itself. */
void gvpn_group_up(const struct gv_ctl_msg *msg, bool charon_restarted);
void gvpn_group_down(uint32_t id, const char *why);
void gvpn_reg_up(const struct gv_ctl_msg *msg);
/* Adds or replaces a registration; wanted's content is copied. */
void gvpn_reg_set(const struct gvpn_reg *wanted);
void gvpn_reg_down(uint32_t group_id, uint16_t member_id, const char *why);
/* HELLO: nothing is repeated yet.  SYNC: what was not repeated goes, at once
 * or, if charon is another than before, after GVPN_STALE_TIME. */
void gvpn_group_mark_stale(void);
void gvpn_group_synced(bool charon_restarted);
/* All that charon said goes. */
void gvpn_group_forget(const char *why);

/* None of this id or name may be there. */
struct gvpn_group *gvpn_group_new(uint32_t id, enum gv_role role,
				  const char *name);
struct gvpn_group *gvpn_group_find(uint32_t id);
struct gvpn_group *gvpn_group_find_name(const char *name);
/* The keys of a route epoch that the group has, or NULL. */
const struct gvpn_route_keys *gvpn_group_keys(const struct gvpn_group *group,
					      uint32_t route_epoch);
struct gvpn_reg *gvpn_reg_find(uint32_t group_id, uint16_t member_id);
/* The registrations from one address: NULL ends. */
struct gvpn_reg *gvpn_reg_first(const struct gv_addr *from);
struct gvpn_reg *gvpn_reg_next(struct gvpn_reg *reg);
struct gvpn_member *gvpn_member_find(struct gvpn_group *group, uint16_t id);
/* Finds or makes it. */
struct gvpn_member *gvpn_member_get(struct gvpn_group *group, uint16_t id);
/* Frees it if nothing is known of it any more. */
void gvpn_member_put(struct gvpn_member *member);

struct gvpn_bind *gvpn_bind_find(const char *name);
struct gvpn_bind *gvpn_bind_new(struct bgp *bgp, const char *name);
void gvpn_bind_free(struct gvpn_bind *bind);
void gvpn_bind_set_plain(struct gvpn_bind *bind, bool plain);
bool gvpn_bgp_is_bound(const struct bgp *bgp);
/* What keeps a binding from working, NULL if nothing does. */
const char *gvpn_bind_problem(const struct gvpn_bind *bind, char *buf,
			      size_t size);
/* Call after anything that gvpn_group.active depends on has changed. */
void gvpn_group_refresh_all(void);
/* Ends at once the activity of groups whose binding works no longer. */
void gvpn_group_recheck(void);

/* Counts a dropped path and logs the first of its kind from this neighbour in
 * this group, with the member that the RD of the destination names.  group may
 * be NULL. */
void gvpn_drop(struct gvpn_group *group, struct peer *peer,
	       const struct bgp_dest *dest, enum gvpn_drop reason);
/* Counts, and logs, the group's drops from zero. */
void gvpn_drop_clear(struct gvpn_group *group);
/* Forgets what was logged of the neighbour (NULL: of all). */
void gvpn_drop_forget(const struct peer *peer);
const char *gvpn_drop_text(enum gvpn_drop reason);
const char *gvpn_drop_json_key(enum gvpn_drop reason);

/* bgp_groupvpn_path.c ----------------------------------------------------- */

extern struct prefix gvpn_descriptor_nlri, gvpn_member_nlri;
void gvpn_path_init(void);

/* The group attribute's value in a path's attributes, NULL if it has none. */
const uint8_t *gvpn_attr_value(const struct attr *attr, size_t *len);
/* A group's route target, 0:group-ID; interned, the caller owns a reference. */
struct ecommunity *gvpn_route_target_make(uint32_t group_id);
/* Whether there is that of any group. */
bool gvpn_has_route_target(const struct attr *attr);
/* Makes a gateway the next hop: an IPv4 one of an IPv6 route IPv4-mapped, an
 * IPv6 one as it is. */
void gvpn_next_hop_set(struct attr *attr, const struct gv_addr *gateway,
		       afi_t afi);
/* The attributes of a VPN route of ours, with a next hop for the family and
 * inner (NULL: none) as path attributes; interned, the caller owns a
 * reference. */
struct attr *gvpn_attr_make(struct bgp *bgp, uint32_t group_id,
			    const struct gv_addr *gateway, afi_t afi,
			    const struct gv_inner *inner, const uint8_t *value,
			    size_t len);

void gvpn_rd_make(struct prefix_rd *rd, uint16_t member_id, uint32_t group_id);
bool gvpn_rd_read(const struct prefix *rd, uint16_t *member_id,
		  uint32_t *group_id);
/* The RD of a destination in a VPN table, NULL if it is in another. */
const struct prefix *gvpn_dest_rd(const struct bgp_dest *dest);

/* A path of ours with attr (which stays the caller's) is there from now on:
 * new, or the one that own has, changed.  rd is NULL for unicast. */
void gvpn_own_set(struct gvpn_own *own, struct bgp *bgp, afi_t afi, safi_t safi,
		  struct prefix_rd *rd, const struct prefix *p,
		  struct attr *attr);
void gvpn_own_unset(struct gvpn_own *own);
/* Lets go without a word to bgpd: its instance is being deleted. */
void gvpn_own_forget(struct gvpn_own *own);
/* Whether a path, or an update-group's stand-in for it, was made by us. */
bool gvpn_path_is_ours(const struct bgp_path_info *path);
/* The same of a path in a table. */
bool gvpn_path_is_own(const struct bgp_path_info *pi);

/* A walk through an instance's VPN tables, VPNv6 and then VPNv4 (plain routes),
 * over any number of events; zero but for bgp to begin with. */
struct gvpn_walk {
	struct bgp *bgp; /* NULL: there is nothing to walk through */
	afi_t afi;
	struct bgp_dest *rd, *dest; /* locked */
};
/* The next destination, locked by the walk; NULL after the last. */
struct bgp_dest *gvpn_walk_next(struct gvpn_walk *walk);
void gvpn_walk_stop(struct gvpn_walk *walk);

/* A walk in the background, of the default instance's VPN tables: static, with
 * the first set. */
struct gvpn_walker {
	/* called for each destination; may remove its paths */
	void (*visit)(struct bgp *bgp, struct bgp_dest *dest);
	struct gvpn_walk walk;
	bool walking;
	bool again; /* from the beginning, when this walk ends */
	struct event *t_run;
	/* both may be NULL: called when the walk has ended; whether it has to
	 * wait */
	void (*done)(void);
	bool (*waits)(void);
};
/* Every destination is visited from now on. */
void gvpn_walker_start(struct gvpn_walker *walker);
void gvpn_walker_stop(struct gvpn_walker *walker);

bool gvpn_addr_of_peer(struct peer *peer, struct gv_addr *addr);
bool gvpn_prefix_covers(const struct prefix *p, const struct gv_addr *addr);
/* Whether it is a unicast destination; the default route and parts of it are. */
bool gvpn_prefix_is_unicast(const struct gv_prefix *p);

/* bgp_groupvpn_queue.c ---------------------------------------------------- */

void gvpn_queue_init(void);
void gvpn_queue_fini(void);
void gvpn_queue_dest(struct bgp *bgp, struct bgp_dest *dest);
void gvpn_queue_forget(const struct bgp *bgp);
bool gvpn_queue_is_empty(void);
/* The best path selection of this destination is still to come. */
bool gvpn_selection_is_due(const struct bgp_dest *dest);

/* bgp_groupvpn_defer.c ---------------------------------------------------- */

/* The session with the neighbour may have come up. */
void gvpn_defer_peer(struct peer *peer);
/* bgpd, or its default instance, ends. */
void gvpn_defer_stop(void);

/* bgp_groupvpn_scope.c ---------------------------------------------------- */

/* What a neighbour of an S/R may get: for each group, ascending, its group-ID,
 * how many members follow (or GVPN_SCOPE_ALL), and their member-IDs, ascending;
 * none: nothing but the descriptor.  The caller frees (MTYPE_TMP). */
#define GVPN_SCOPE_ALL UINT32_MAX
uint32_t *gvpn_scope_of(struct peer *peer, size_t *n);
bool gvpn_scope_has(const uint32_t *scope, size_t n, uint32_t group_id,
		    uint16_t member_id);

/* bgp_groupvpn_static.c --------------------------------------------------- */

void gvpn_static_init(void);
/* Whether charon speaks of a group that the configuration has. */
bool gvpn_static_shadows(const struct gv_ctl_msg *msg);
void gvpn_static_write(struct vty *vty);
void gvpn_static_forget(void);

/* bgp_groupvpn_policy.c --------------------------------------------------- */

void gvpn_policy_init(void);
/* Puts on every neighbour of the default instance the route-maps that it
 * should have now. */
void gvpn_policy_apply(void);
void gvpn_policy_apply_peer(struct peer *peer);
/* The same for one, or for the members of a peer-group (its configuration). */
void gvpn_policy_apply_named(struct peer *named);
/* After a configuration command: neighbours without a map that they should have
 * get it at once, as they might be sent anything; who has another one that is
 * not the right one any more, in the background. */
void gvpn_policy_follow(void);
/* The same for all, in the background; then calls done, if that is not NULL. */
void gvpn_policy_apply_soon(void (*done)(void));
/* Puts the users' maps back where ours are, for while the configuration is
 * written; and the reverse. */
void gvpn_policy_hide(void);
void gvpn_policy_unhide(void);
void gvpn_policy_forget_peer(struct peer *peer);

/* bgp_groupvpn_neighbor.c -------------------------------------------------- */

void gvpn_neighbor_init(void);
void gvpn_neighbor_fini(void);
void gvpn_neighbor_write(struct bgp *bgp, struct vty *vty);
void gvpn_neighbor_forget_peer(const struct peer *peer);
/* The neighbour, or the peer-group's configuration, that "neighbor NAME" means;
 * NULL if there is none. */
struct peer *gvpn_neighbor_named(struct bgp *bgp, const char *name);
bool gvpn_neighbor_is_transit(const struct peer *peer);
/* Whether the registration is this neighbour's. */
bool gvpn_neighbor_is_member(struct peer *peer, const struct gvpn_reg *reg);
/* The registrations of a neighbour, ascending by group; reg NULL: the first. */
struct gvpn_reg *gvpn_neighbor_next_reg(struct peer *peer,
					struct gvpn_reg *reg);
/* Whether any neighbour is transit, or stands for the identity. */
bool gvpn_neighbor_has_transit(void);
bool gvpn_neighbor_has_identity(const struct gvpn_reg *reg);

/* bgp_groupvpn_rr.c ------------------------------------------------------- */

/* The verdict on a path that a neighbour announces to an S/R; with dest NULL,
 * as where bgpd shows what it has stored of a neighbour, on its attributes
 * alone. */
enum gvpn_drop gvpn_rr_police(struct peer *peer, const struct attr *attr,
			      const struct bgp_dest *dest,
			      struct gvpn_group **group);
/* May this path (or an update-group's stand-in for it) go to whoever has this
 * scope?  GVPN_ALL_GROUPS: to whoever may have all. */
#define GVPN_ALL_GROUPS SIZE_MAX
bool gvpn_rr_reflects(const struct bgp_path_info *path, const uint32_t *scope,
		      size_t n);
/* Holds what is in the VPN tables against the registrations, in the
 * background. */
void gvpn_rr_walk(void);
/* Announces the group's descriptor, or takes it back. */
void gvpn_rr_descriptor(struct gvpn_group *group);
/* A static group's key server is another, or comes from another neighbour. */
void gvpn_rr_gcks_changed(struct gvpn_group *group);
/* The selected path of the group's descriptor, NULL if there is none. */
struct bgp_path_info *gvpn_rr_descriptor_path(const struct gvpn_group *group);
/* charon composes the value; whether it is what it is to be.  If not, that is
 * logged. */
bool gvpn_rr_is_descriptor(uint32_t group_id, const uint8_t *value, size_t len);
void gvpn_rr_forget_bgp(void);
/* A registration came, changed or goes; limited: some in its group name, or
 * named, others. */
void gvpn_rr_reg_changed(struct gvpn_reg *reg, bool limited);
/* The descriptor of some group goes, or went, to all neighbours. */
void gvpn_rr_discovery_changed(void);
/* What the configuration says of a neighbour, or of a peer-group's (its
 * configuration), has changed, and policies with it: asks for their routes. */
void gvpn_rr_neighbor_changed(struct peer *changed);
/* The first neighbour whose registration this is, NULL if there is none. */
struct peer *gvpn_rr_neighbor(const struct gvpn_reg *reg);

/* bgp_groupvpn_origin.c --------------------------------------------------- */

void gvpn_origin_init(struct gvpn_reg *reg);
/* Withdraws all that is announced for the member. */
void gvpn_origin_fini(struct gvpn_reg *reg);
/* Whether it is a member without a bgpd. */
bool gvpn_origin_has(const struct gvpn_reg *reg);
/* ORIGINATE and ORIGINATED. */
void gvpn_origin_set(const struct gv_ctl_msg *msg);
void gvpn_origin_end(const struct gv_ctl_msg *msg);
/* Whether we are a reflector may have changed. */
void gvpn_origin_refresh(void);
void gvpn_origin_forget_bgp(void);

/* bgp_groupvpn_hand.c ----------------------------------------------------- */

void gvpn_hand_init(void);
void gvpn_hand_fini(void);
/* WANT. */
void gvpn_hand_want(const struct gv_ctl_msg *msg);
bool gvpn_hand_is_wanted(void);
/* A destination in a VPN table may have changed. */
void gvpn_hand_dest(struct bgp *bgp, struct bgp_dest *dest);
/* The group goes. */
void gvpn_hand_forget_group(struct gvpn_group *group);
/* The connection to charon is gone: nothing is wanted. */
void gvpn_hand_forget(void);
void gvpn_hand_forget_bgp(void);

/* bgp_groupvpn_discovery.c ------------------------------------------------- */

void gvpn_discovery_init(void);
/* charon is, or is no longer, to be a member of a group. */
void gvpn_discovery_seek(const struct gv_ctl_msg *msg);
/* A destination in the VPNv6 table may have changed. */
void gvpn_discovery_dest(struct bgp_dest *dest);
/* charon names the groups anew, or is not asked any more. */
void gvpn_discovery_forget(void);
void gvpn_discovery_forget_vpn(void);
bool gvpn_discovery_seeks(uint32_t group_id);
const struct gvpn_sought *gvpn_discovery_find(const char *name);
/* The gateways, separated by commas; "" if none is heard. */
#define GVPN_HINTS_STRLEN (GV_HINTS_MAX * (GV_ADDR_STRLEN + 2))
const char *gvpn_discovery_print(const struct gvpn_sought *sought, char *buf,
				 size_t size);

/* bgp_groupvpn_rekey.c ---------------------------------------------------- */

/* Where the descriptor of a part is; the first is gvpn_descriptor_nlri. */
extern struct prefix gvpn_part_nlri[GV_PARTS_MAX];
/* Which part's NLRI it is, -1 if none. */
int gvpn_part_of_nlri(const struct prefix *nlri);
/* The destination of a part, to be unlocked; NULL if there is none. */
struct bgp_dest *gvpn_descriptor_dest(const struct gvpn_group *group,
				      unsigned int part);
void gvpn_rekey_init(void);
/* Member: what descriptors are heard has changed. */
void gvpn_rekey_hear(struct gvpn_group *group);
/* None is heard or announced. */
void gvpn_rekey_none(struct gvpn_group *group);
/* S/R: the descriptor is announced; so are its other parts, as far as charon
 * has named them. */
void gvpn_rekey_announce(struct gvpn_group *group, struct bgp *bgp,
			 const struct gv_attr *descriptor);
void gvpn_rekey_withdraw(struct gvpn_group *group);
void gvpn_rekey_forget_bgp(struct gvpn_group *group);
/* charon names another part. */
void gvpn_rekey_part(const struct gv_ctl_msg *msg);
/* The group ends. */
void gvpn_rekey_free(struct gvpn_group *group);

/* bgp_groupvpn_read.c ----------------------------------------------------- */

/* What the group attribute in a path's attributes says. */
struct gvpn_reading {
	struct attr *attr; /* interned; a and inner point into it or octets */
	enum gvpn_drop drop;
	struct gvpn_group *group; /* NULL: not decoded, or none that we know */
	struct gv_attr a;
	struct gv_inner inner;
	unsigned int own_as; /* how often our AS is in the inner path */
	uint8_t octets[GV_SIV_LEN + GV_INNER_MAX];
	struct attr *injected[2]; /* of IPv4 and IPv6 routes, as first wanted */
};
/* Decodes and, if it is an active group's, checks it.  Valid until the next
 * call. */
struct gvpn_reading *gvpn_read(struct attr *attr, const uint8_t *value,
			       size_t len);
/* A group, its being active, or its keys have changed. */
void gvpn_read_forget(void);

/* bgp_groupvpn_inner.c ---------------------------------------------------- */

/* The inner attributes of a route: how many octets, 0 if all are as usual. */
size_t gvpn_inner_read(const struct attr *attr, uint8_t octets[GV_INNER_MAX]);
/* Interns attr, which is a structure of the caller's, with these and the AS
 * path outer before its own. */
struct attr *gvpn_inner_intern(struct attr *attr, struct bgp *bgp,
			       struct aspath *outer,
			       const struct gv_inner *inner);

/* bgp_groupvpn_seal.c ----------------------------------------------------- */

/* Both interned, the caller's reference; NULL, and logged, on error. */
struct attr *gvpn_seal_member(const struct gvpn_bind *bind);
struct attr *gvpn_seal_route(struct gvpn_bind *bind, const struct prefix *p,
			     const struct attr *attr, struct prefix *nlri);
/* The keys, or what our attribute says, have changed. */
void gvpn_seal_forget(struct gvpn_bind *bind);

/* bgp_groupvpn_route.c ---------------------------------------------------- */

void gvpn_route_init(void);
void gvpn_route_fini(void);
/* A destination in the VPNv6 table may have changed. */
void gvpn_heard_dest(struct bgp *bgp, struct bgp_dest *dest);
/* Whether a path is a descriptor of the group with GSA_REKEY messages, and what
 * part of them, which points into the path's attributes; whether its MAC is
 * right. */
bool gvpn_heard_part(struct gvpn_group *group, struct bgp_dest *dest,
		     struct bgp_path_info *pi, struct gv_part *part,
		     bool *verified);
/* Goes through the VPNv6 table; group's routes are judged anew. */
void gvpn_heard_walk(struct gvpn_group *group);
void gvpn_heard_flush(struct gvpn_group *group);
void gvpn_heard_forget_vpn(void);
/* The bound instance goes away: lets go of what was injected. */
void gvpn_heard_forget_injected(struct gvpn_group *group);
void gvpn_member_status(const struct gv_ctl_msg *msg);
/* Tells charon of all members again, and waits for its answers. */
void gvpn_members_tell(struct gvpn_group *group);
struct gvpn_heard *gvpn_heard_injected(const struct bgp_path_info *pi);
/* All routes of the group are to be injected, or not, anew. */
void gvpn_heard_again(struct gvpn_group *group);
/* Whether all is judged, charon has answered for each member, and what follows
 * from it is injected. */
bool gvpn_heard_is_settled(struct gvpn_group *group);
/* Why an opened route is not injected, NULL if it is; a route-map's denial
 * apart. */
const char *gvpn_heard_waits(const struct gvpn_heard *heard);

/* bgp_groupvpn_export.c --------------------------------------------------- */

/* name NULL: none any more. */
void gvpn_rmap_set(struct gvpn_bind *bind, enum gvpn_rmap which,
		   const char *name);
/* Whether the route-map permits a route, or there is none.  attr is the
 * caller's copy, in which the map replaces what it sets by what has no
 * reference: bgp_attr_intern() or bgp_attr_flush() it. */
bool gvpn_rmap_apply(const struct gvpn_bind *bind, enum gvpn_rmap which,
		     const struct prefix *p, struct attr *attr);
/* The configuration has changed, perhaps in what the route-maps say. */
void gvpn_rmap_changed(void);
void gvpn_rmap_fini(void);

void gvpn_export_init(struct gvpn_bind *bind);
/* Announces, changes or withdraws, as the group's state now asks. */
void gvpn_export_update(struct gvpn_bind *bind);
void gvpn_export_dest(struct gvpn_bind *bind, struct bgp_dest *dest);
/* Which routes are announced, and with what, may be another now. */
void gvpn_export_walk(struct gvpn_bind *bind);
/* All routes are to be announced in another form. */
void gvpn_export_again(struct gvpn_bind *bind);
/* Withdraws everything at once. */
void gvpn_export_stop(struct gvpn_bind *bind);
/* Lets go without a word: the VPN table goes away. */
void gvpn_export_forget_vpn(struct gvpn_bind *bind);

/* bgp_groupvpn_zebra.c ---------------------------------------------------- */

void gvpn_zebra_init(void);
void gvpn_zebra_fini(void);
/* The selected path of a destination in a bound instance may have changed. */
void gvpn_zebra_dest(struct bgp *bgp, struct bgp_dest *dest);
void gvpn_zebra_forget_bgp(const struct bgp *bgp);
/* The group's device, or an instance's VRF, may have changed. */
void gvpn_zebra_refresh(void);
enum gvpn_zebra_state {
	GVPN_ZEBRA_NONE,      /* not selected */
	GVPN_ZEBRA_DOWN,      /* zebra is not connected */
	GVPN_ZEBRA_NO_DEVICE, /* group device not there, or down */
	GVPN_ZEBRA_SENT,
	GVPN_ZEBRA_INSTALLED,
	GVPN_ZEBRA_REJECTED,
};
enum gvpn_zebra_state gvpn_zebra_state(const struct bgp *bgp,
				       const struct prefix *p);

/* Connects to zebra, if that is not done yet. */
void gvpn_zebra_start(void);
bool gvpn_zebra_is_connected(void);
void gvpn_zebra_tell(struct zapi_cap *cap);

/* bgp_groupvpn_restart.c -------------------------------------------------- */

/* The configuration, or an instance's VRF, may have changed. */
void gvpn_restart_update(void);
/* zebra knows nothing of what it was told before. */
void gvpn_restart_connected(void);
void gvpn_restart_fini(void);

/* bgp_groupvpn_show.c ----------------------------------------------------- */

void gvpn_show_init(void);
/* Says so; returns what the command is to return. */
int gvpn_no_such_group(struct vty *vty, const char *name, bool uj);
/* The path of a member's route in an S/R's table and what its attribute says,
 * NULL if there is none. */
struct bgp_path_info *gvpn_reflected_path(struct bgp_dest *dest,
					  uint32_t group_id, struct gv_attr *a);

/* bgp_groupvpn_explain.c -------------------------------------------------- */

void gvpn_explain_init(void);

#endif /* BGP_GROUPVPN_H */
