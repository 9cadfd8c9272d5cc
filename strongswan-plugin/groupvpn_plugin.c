/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creates the classes of the plugin and ties them together.
 */

#include "groupvpn_plugin.h"
#include "groupvpn_channel.h"
#include "groupvpn_carrier.h"
#include "groupvpn_config.h"
#include "groupvpn_control.h"
#include "groupvpn_gate.h"
#include "groupvpn_gcks.h"
#include "groupvpn_guard.h"
#include "groupvpn_kernel.h"
#include "groupvpn_management.h"
#include "groupvpn_member.h"
#include "groupvpn_policy.h"
#include "groupvpn_store.h"
#include "groupvpn_vici.h"
#include "compat.h"

#include <daemon.h>
#include <threading/mutex.h>

#define DEFAULT_SWANCTL_CONF "/etc/swanctl/swanctl.conf"
#define DEFAULT_SOCKET_GROUP "frr"
#define DEFAULT_STORE "/var/lib/groupvpn/gcks.db"
#define DEFAULT_STORE_KEY "/var/lib/groupvpn/gcks.key"
#define DEFAULT_POLICY_TIMEOUT 1
#define DEFAULT_RETRY_MIN 1
#define DEFAULT_RETRY_MAX 60
#define DEFAULT_RECHECK 3600

/* bounds of these, in seconds */
#define POLICY_TIMEOUT_MAX 60
#define RETRY_MAX (24 * 60 * 60)
#define RECHECK_MAX (30 * 24 * 60 * 60)

/* section of the plugin in strongswan.conf, after the name of the daemon */
#define SECTION "%s.plugins.groupvpn"

/* its options */
static char *options[] = {
	"load", "exchange", "swanctl_conf", "socket", "socket_group", "vici_socket",
	"store", "store_key", "policy_timeout", "recheck", "retry_min", "retry_max",
};

typedef struct private_groupvpn_plugin_t private_groupvpn_plugin_t;

/**
 * Private data
 */
struct private_groupvpn_plugin_t {

	/**
	 * Public interface
	 */
	groupvpn_plugin_t public;

	/**
	 * Configured groups
	 */
	groupvpn_config_t *config;

	/**
	 * Exchange types of RFC 9838
	 */
	groupvpn_carrier_t *carrier;

	/**
	 * Control socket
	 */
	groupvpn_control_t *control;

	/**
	 * Kernel interface
	 */
	groupvpn_kernel_t *kernel;

	/**
	 * Policy engine
	 */
	groupvpn_policy_t *policy;

	/**
	 * Management
	 */
	groupvpn_vici_t *vici;

	/**
	 * Management by the control socket
	 */
	groupvpn_management_t *management;

	/**
	 * Store of the GCKS role
	 */
	groupvpn_store_t *store;

	/**
	 * Policies for BGP with the S/R
	 */
	groupvpn_channel_t *channel;

	/**
	 * GCKS role
	 */
	groupvpn_gcks_t *gcks;

	/**
	 * Member role
	 */
	groupvpn_member_t *member;

	/**
	 * Held while the configuration is read
	 */
	mutex_t *mutex;
};

METHOD(plugin_t, get_name, char*,
	private_groupvpn_plugin_t *this)
{
	return "groupvpn";
}

/**
 * Tell of options that there are none of
 */
static void check_options()
{
	enumerator_t *enumerator;
	char *name, *value;
	u_int i;

	enumerator = lib->settings->create_key_value_enumerator(lib->settings,
															SECTION, lib->ns);
	while (enumerator->enumerate(enumerator, &name, &value))
	{
		for (i = 0; i < countof(options) && !streq(options[i], name); i++);
		if (i == countof(options))
		{
			DBG1(DBG_CFG, "groupvpn: unknown option '" SECTION ".%s' (value "
				 "\"%s\")", lib->ns, name, value);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Read an option of the plugin
 */
static char *get_option(char *name, char *def)
{
	return lib->settings->get_str(lib->settings, SECTION ".%s", def, lib->ns,
								  name);
}

/**
 * Read an option of the plugin that is a time, in seconds
 */
static u_int get_time_option(char *name, u_int min, u_int max, u_int def)
{
	char *value = get_option(name, NULL);
	uint32_t time = def;

	if (value && !groupvpn_parse_time(value, min, max, &time))
	{
		DBG1(DBG_CFG, "groupvpn: " SECTION ".%s = \"%s\": must be a time from "
			 "%us to %us, such as 30s or 1m; %us is used", lib->ns, name,
			 value, min, max, def);
	}
	return time;
}

/**
 * Read an option of the plugin that is yes or no
 */
static bool get_bool_option(char *name, bool def)
{
	char *value = get_option(name, NULL);
	bool yes, no;

	if (!value)
	{
		return def;
	}
	/* what is neither is the default */
	yes = settings_value_as_bool(value, FALSE);
	no = !settings_value_as_bool(value, TRUE);
	if (!yes && !no)
	{
		DBG1(DBG_CFG, "groupvpn: " SECTION ".%s = \"%s\": must be \"yes\" or "
			 "\"no\"; \"%s\" is used", lib->ns, name, value,
			 def ? "yes" : "no");
		return def;
	}
	return yes;
}

/**
 * Stop everything
 */
static void stop(private_groupvpn_plugin_t *this)
{
	/* the member speaks to bgpd and to management once more */
	DESTROY_IF(this->member);
	DESTROY_IF(this->gcks);
	DESTROY_IF(this->channel);
	groupvpn_gate_set_store(NULL);
	DESTROY_IF(this->store);
	DESTROY_IF(this->vici);
	DESTROY_IF(this->control);
	DESTROY_IF(this->management);
	DESTROY_IF(this->policy);
	DESTROY_IF(this->kernel);
	DESTROY_IF(this->carrier);
	groupvpn_gate_stop();
	DESTROY_IF(this->config);
	this->member = NULL;
	this->gcks = NULL;
	this->channel = NULL;
	this->store = NULL;
	this->vici = NULL;
	this->control = NULL;
	this->management = NULL;
	this->policy = NULL;
	this->kernel = NULL;
	this->carrier = NULL;
	this->config = NULL;
}

/**
 * Have the exchange types of RFC 9838 sent and received if a group wants them
 */
static void start_carrier(private_groupvpn_plugin_t *this)
{
	enumerator_t *enumerator;
	groupvpn_group_t *group;

	enumerator = this->config->create_enumerator(this->config);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->exchange)
		{
			this->carrier->start(this->carrier);
		}
	}
	enumerator->destroy(enumerator);
}

/**
 * Open the VRFs that an earlier charon left closed and no group is in anymore. A
 * group with an error in it may be the one.
 */
static void sweep_vrfs(private_groupvpn_plugin_t *this)
{
	enumerator_t *enumerator;
	groupvpn_group_t *group;
	linked_list_t *keep;

	if (!this->config->is_complete(this->config))
	{
		return;
	}
	keep = linked_list_create();
	enumerator = this->config->create_enumerator(this->config);
	while (enumerator->enumerate(enumerator, &group))
	{
		if (group->vrf && !group->fail_open)
		{
			keep->insert_last(keep, group->vrf);
		}
	}
	enumerator->destroy(enumerator);
	this->kernel->sweep_vrfs(this->kernel, keep);
	keep->destroy(keep);
}

/**
 * Read the groups and have the roles follow
 */
static bool configure(private_groupvpn_plugin_t *this)
{
	bool ok;

	this->mutex->lock(this->mutex);
	ok = this->config && this->config->load(this->config);
	if (ok)
	{
		this->channel->configure(this->channel, this->config);
		start_carrier(this);
		this->gcks->configure(this->gcks, this->config);
		this->member->configure(this->member, this->config);
		sweep_vrfs(this);
	}
	this->mutex->unlock(this->mutex);
	return ok;
}

/**
 * Create the store that is configured
 */
static groupvpn_store_t *create_store()
{
	char *file = get_option("store", DEFAULT_STORE);

	if (streq(file, "none"))
	{
		return groupvpn_store_create_none();
	}
	return groupvpn_store_create_sqlite(file,
									get_option("store_key", DEFAULT_STORE_KEY));
}

/**
 * Create the classes
 */
static bool start(private_groupvpn_plugin_t *this)
{
	groupvpn_gcks_manage_t *manage;
	u_int retry_min, retry_max;

	check_options();
	retry_min = get_time_option("retry_min", 1, RETRY_MAX, DEFAULT_RETRY_MIN);
	retry_max = get_time_option("retry_max", 1, RETRY_MAX,
								max(retry_min, DEFAULT_RETRY_MAX));
	if (retry_max < retry_min)
	{
		DBG1(DBG_CFG, "groupvpn: " SECTION ".retry_max = %us: must not be "
			 "shorter than retry_min = %us; %us is used", lib->ns, retry_max,
			 retry_min, retry_min);
		retry_max = retry_min;
	}
	this->kernel = groupvpn_kernel_create();
	if (!this->kernel)
	{
		return FALSE;
	}
	this->kernel->sweep(this->kernel);
	this->config = groupvpn_config_create(get_option("swanctl_conf",
													 DEFAULT_SWANCTL_CONF));
	groupvpn_gate_start();
	this->carrier = groupvpn_carrier_create();
	if (get_bool_option("exchange", FALSE))
	{
		this->carrier->start(this->carrier);
	}
	this->policy = groupvpn_policy_server_create(groupvpn_policy_file_create(),
		get_time_option("policy_timeout", 1, POLICY_TIMEOUT_MAX,
						DEFAULT_POLICY_TIMEOUT) * 1000);
	this->control = groupvpn_control_create(
								get_option("socket", GV_CTL_PATH),
								get_option("socket_group", DEFAULT_SOCKET_GROUP));
	this->vici = groupvpn_vici_create(get_option("vici_socket",
												 GROUPVPN_VICI_PATH));
	this->management = groupvpn_management_create(this->control, this->vici);
	this->store = create_store();
	groupvpn_gate_set_store(this->store);
	this->channel = groupvpn_channel_create(this->kernel);
	this->gcks = groupvpn_gcks_create(this->control, this->policy, this->vici,
									  this->store, this->kernel,
									  get_time_option("recheck", 0, RECHECK_MAX,
													  DEFAULT_RECHECK));
	this->member = groupvpn_member_create(this->control, this->kernel,
										  this->vici, retry_min, retry_max);
	manage = this->gcks->get_manage(this->gcks);
	this->vici->add_handler(this->vici, manage->get_handler(manage));
	this->vici->add_handler(this->vici,
							this->member->get_handler(this->member));
	this->vici->add_handler(this->vici, &this->carrier->management);
	this->control->add_handler(this->control, &this->gcks->handler);
	this->control->add_handler(this->control, &this->member->handler);
	this->control->add_handler(this->control, &this->management->handler);
	return this->control->start(this->control);
}

/**
 * Start or stop the plugin
 */
static bool plugin_cb(private_groupvpn_plugin_t *this,
					  plugin_feature_t *feature, bool reg, void *cb_data)
{
	if (reg)
	{
		if (!start(this))
		{
			stop(this);
			return FALSE;
		}
		charon->bus->add_listener(charon->bus, &this->carrier->listener);
		charon->bus->add_listener(charon->bus, &this->gcks->listener);
		charon->bus->add_listener(charon->bus, &this->member->listener);
		/* without a readable configuration there are no groups, a reload
		 * may bring some */
		configure(this);
		this->vici->start(this->vici, this->gcks->get_manage(this->gcks),
						  (void*)configure, this);
	}
	else
	{
		charon->bus->remove_listener(charon->bus, &this->carrier->listener);
		charon->bus->remove_listener(charon->bus, &this->gcks->listener);
		charon->bus->remove_listener(charon->bus, &this->member->listener);
		stop(this);
	}
	return TRUE;
}

METHOD(plugin_t, get_features, int,
	private_groupvpn_plugin_t *this, plugin_feature_t *features[])
{
	static plugin_feature_t f[] = {
		PLUGIN_CALLBACK((plugin_feature_callback_t)plugin_cb, NULL),
			PLUGIN_PROVIDE(CUSTOM, "groupvpn"),
				PLUGIN_DEPENDS(CUSTOM, "kernel-ipsec"),
				PLUGIN_DEPENDS(CUSTOM, "kernel-net"),
				PLUGIN_DEPENDS(CUSTOM, "socket"),
				PLUGIN_DEPENDS(KDF, KDF_PRF_PLUS),
				PLUGIN_SDEPEND(CUSTOM, "vici"),
				/* the store has certificates of members */
				PLUGIN_SDEPEND(CERT_DECODE, CERT_X509),
				PLUGIN_SDEPEND(PUBKEY, KEY_RSA),
				PLUGIN_SDEPEND(PUBKEY, KEY_ECDSA),
				PLUGIN_SDEPEND(PUBKEY, KEY_ED25519),
				PLUGIN_SDEPEND(PUBKEY, KEY_ED448),
	};
	*features = f;
	return countof(f);
}

METHOD(plugin_t, reload, bool,
	private_groupvpn_plugin_t *this)
{
	return configure(this);
}

METHOD(plugin_t, destroy, void,
	private_groupvpn_plugin_t *this)
{
	this->mutex->destroy(this->mutex);
	free(this);
}

/**
 * Plugin constructor
 */
GROUPVPN_PLUGIN_DEFINE(groupvpn)
{
	private_groupvpn_plugin_t *this;

	if (!groupvpn_guard())
	{
		return NULL;
	}
	if (!lib->caps->keep(lib->caps, CAP_CHOWN) ||
		!lib->caps->keep(lib->caps, CAP_NET_ADMIN))
	{
		DBG1(DBG_LIB, "groupvpn: the plugin requires the capabilities "
			 "CAP_CHOWN and CAP_NET_ADMIN");
		return NULL;
	}
	INIT(this,
		.public = {
			.plugin = {
				.get_name = _get_name,
				.get_features = _get_features,
				.reload = _reload,
				.destroy = _destroy,
			},
		},
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	return &this->public.plugin;
}
