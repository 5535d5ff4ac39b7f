/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode_state.h - what the files of transcoding share: who has which draw. Worker.
 *
 * Nothing is allocated after the lock; the lists are as long as they will ever be, and a full one
 * makes its flow wait.
 */
#pragma once

#include "base/clock.h"
#include "relay/draw.h"
#include "relay/transcode.h"
#include "relay/windows.h"

#define DRAWS_MAX 128    /* of the server's, not acknowledged yet: more than any server sends */
#define PICTURES_MAX 512 /* with the client */
#define WAITING_MAX 32   /* from the encoder, not yet written to the client */
#define SPOILS_MAX 16    /* that the encoder has not told of: it does in milliseconds */
/* Sequences of our own begin where those of no server's get to: one for each draw. */
#define SEQUENCE_BASE 0x40000000
/* One of the server's draws that the encoder has. */
struct owed {
	uint64_t number; /* as the encoder knows it */
	uint64_t sent_usec;
	uint32_t wid;
	int64_t sequence;
	int32_t w, h;
	bool answered; /* by a picture or by HELD: not late */
	bool held;     /* by HELD alone: a picture will come */
	bool due;      /* to be acknowledged by us: no picture of it will come */
	bool settled;  /* acknowledged */
};

/* One of our draws that the client has. */
struct shown {
	uint64_t number, answers, sent_usec;
	int64_t sequence;
	uint32_t wid;
	bool last, done;
};

/* What the server's own draws have painted over: see FRAME_SPOILED. */
struct spoil {
	uint64_t number;
	uint32_t wid; /* 0: any */
	uint16_t x, y, w, h;
};

enum state {
	STATE_OFF,
	STATE_OFFERED,  /* the server's answer is awaited */
	STATE_IDLE,     /* no draw has been worth it yet */
	STATE_STARTING, /* SETUP has been sent */
	STATE_ON,
	STATE_LOST, /* the encoder is gone: draws pass */
};

struct transcode {
	enum state state;
	uint8_t *memory;
	int fd;
	struct frame_setup setup;
	struct windows windows;
	struct frame_ring in;
	uint64_t draws, freed; /* numbers: of the last draw; of the last picture copied */
	uint64_t taken;        /* the encoder has dealt with all up to this one */
	uint64_t since_usec;   /* STARTING: when */
	uint64_t out_last;     /* number of the last picture that came */
	int64_t sequence;      /* the last of ours */
	bool later;            /* what the client takes is not known yet */
	bool passing;          /* records up to the next main one are none of ours */
	bool unseen;           /* so many bytes of them that they could not be kept */
	bool new_names;        /* the server calls its draws "window-draw", and so on */
	enum draw_ack_form ack;
	bool due;            /* some are */
	bool amends;         /* the server is to be told of the encoder's end */
	uint64_t busy_usec;  /* when pictures were last waiting for the client */
	uint64_t full_usec;  /* when the way to it was last full: draws are held for that */
	bool queue_told;     /* the encoder thinks that there is one */
	uint64_t queue_usec; /* when it heard of it last; when the queue began */
	uint64_t queue_since_usec;

	struct owed owed[DRAWS_MAX];
	unsigned owed_first, owed_count;
	struct shown shown[PICTURES_MAX];
	unsigned shown_first, shown_count;
	struct frame waiting[WAITING_MAX];
	unsigned waiting_first, waiting_count;
	struct spoil spoils[SPOILS_MAX];
	unsigned spoils_count;
};

/* Says it with what else there is to say. 0; -EAGAIN: not taken, and it will be said again; else
 * the encoder is lost. */
int transcode_say(struct worker *w, struct frame *f);

/* The encoder is of no use any more; why is for the log. */
void transcode_lose(struct worker *w, const char *why);

/* The i-th of the server's draws that are on the books, the oldest first. */
static inline struct owed *transcode_owed(struct transcode *t, unsigned i)
{
	return &t->owed[(t->owed_first + i) % DRAWS_MAX];
}
static inline struct shown *transcode_shown(struct transcode *t, unsigned i)
{
	return &t->shown[(t->shown_first + i) % PICTURES_MAX];
}

/* The encoder has answered this draw; all_before: and all earlier ones of the window. */
void transcode_answered(struct transcode *t, uint32_t wid, uint64_t number, bool all_before);

/* Those of the window up to this one are as they are with the client: the server can be told. */
void transcode_due(struct transcode *t, uint32_t wid, uint64_t upto);
/* Tells it. Only where w->up takes an inject. */
void transcode_settle_due(struct worker *w);

/* There will be no picture of what the window's draws showed, or (0) of any: they are off the
 * books, and the server hears of them if the window is still there. Only where w->up takes an
 * inject. */
void transcode_settle_all(struct worker *w, uint32_t wid);

/* The client has dealt with a draw of ours: the server hears of its own. True: it was one. */
bool transcode_take_ack(struct worker *w, const struct draw_ack *a);

/* Tells the encoder how large a window is. */
void transcode_tell_size(struct worker *w, const struct window *x);

/* A packet that says how large a window is, or that it is gone. True: it is one. */
bool transcode_note_window(struct worker *w, const char *name, struct token_reader *r);
