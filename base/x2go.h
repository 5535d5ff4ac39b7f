/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/x2go.h - what an X2Go client asks of a session broker, and what the worker, the guard and
 * xproxy-x2gobroker say to each other about it.
 *
 * Each struct is one message of a fixed size on a SEQPACKET pair, as in base/rpc.h: strings are
 * arrays that hold a NUL. The guard starts the program, which has no privilege but its own folder:
 *
 *   guard                        xproxy-x2gobroker
 *   START  setup, request        VERDICT  granted (by an authid, or as nobody is asked for) |
 *                                         login (ask for the password) | denied
 *   LOGIN  who it is             -        (after a login, or at once if granted)
 *   -                            the whole HTTP answer, on its fd 1, to the end of the file
 *
 * The password is the guard's business and never gets here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum x2go_frontend {
	X2GO_PLAIN, /* x2goclient: /plain/, or any other path that it was given */
	X2GO_JSON,  /* python-x2go: /json/ */
	X2GO_PUBKEYS,
	X2GO_UCCS,
	X2GO_FRONTEND_MAX_,
};

enum x2go_task {
	X2GO_NONE, /* only asks whether the login is right */
	X2GO_LIST, /* listsessions, listprofiles */
	X2GO_SELECT,
	X2GO_TESTCON,
	X2GO_SETPASS,
	X2GO_EVENT,
	X2GO_TASK_MAX_,
};

/* What the client says: text without control characters, "" for what it has not said. */
struct x2go_request {
	uint32_t frontend;  /* enum x2go_frontend */
	uint32_t task;      /* enum x2go_task */
	char task_name[32]; /* as the client has it */
	char user[256];
	char authid[128];
	char address[64];  /* by way of sshd: where it says that the user is */
	char sid[256];     /* SELECT: the profile; EVENT: the session */
	char login[256];   /* SELECT: the user on the server */
	char pubkey[2048]; /* SELECT, json: a line for authorized_keys */
	/* EVENT */
	char event[64]; /* "CONNECTED", ... */
	char server[256];
	char client[128];
	char command[256];
	char display[64];
	char start[64];
	char version[64], os[32];
	uint64_t elapsed_sec;
};

enum x2go_agent {
	X2GO_AGENT_NONE,
	X2GO_AGENT_LOCAL,
	X2GO_AGENT_SSH,
};

enum x2go_authid {
	X2GO_AUTHID_ROLLING, /* each is good for one request */
	X2GO_AUTHID_STATIC,  /* for as long as it lives */
	X2GO_AUTHID_NONE,
};

enum x2go_hostkeys {
	X2GO_HOSTKEYS_KNOWN,      /* RejectPolicy: only those in known_hosts */
	X2GO_HOSTKEYS_ACCEPT_NEW, /* AutoAddPolicy */
	X2GO_HOSTKEYS_ANY,        /* WarningPolicy */
};

/* [X2Go] of the configuration, which may hold secrets of others and is not read by the program. */
struct x2go_setup {
	char profiles[1024]; /* path of the INI file; "": those of `rows` only */
	char state[1024];    /* folder of its own, mode 0700 */
	char authid_file[1024];
	char agent_command[1024];
	char agent_user[256];
	char authorized_keys[1024]; /* with %h %u %U %G %% */
	uint32_t agent;             /* enum x2go_agent */
	uint32_t hostkeys;          /* enum x2go_hostkeys */
	uint32_t authid;            /* enum x2go_authid */
	uint32_t require_authid;    /* bools from here on */
	uint32_t verify_address;
	uint32_t autologin;
	uint32_t portscan;
	uint32_t load_check;
	uint32_t ignore_primary_group;
	uint32_t password_change;
	uint64_t agent_timeout_usec;
	uint64_t authid_timeout_usec;
	uint64_t authid_grace_usec;
	uint64_t key_lifetime_usec;
	uint64_t load_age_usec;
	uint64_t live_event_usec; /* 0: no events are asked for */
};

struct x2go_start {
	struct x2go_setup setup;
	struct x2go_request request;
	char address[64]; /* of the client, "192.0.2.1"; by way of sshd what it says; "" unknown */
	char place[64];   /* what tokens are bound to, which nobody can claim */
};

enum x2go_verdict_kind {
	X2GO_GRANTED,
	X2GO_LOGIN,
	X2GO_DENIED,
};

struct x2go_verdict {
	uint32_t kind;
	char reason[256]; /* DENIED: for the log */
};

struct x2go_login {
	char user[256];  /* as the modules have it */
	char rows[8192]; /* the sessions of the user's record: those that are x2go:// count */
	/* SETPASS: what became of it */
	uint32_t password_changed;
	char why[256]; /* not changed: for the log */
};
