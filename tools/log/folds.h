/* SPDX-License-Identifier: MIT */
/*
 * The fold chunks of a log (fold.h): which there are, and what they hold as events. Everything in
 * them is hostile.
 */
#ifndef PMT_TOOLS_FOLDS_H
#define PMT_TOOLS_FOLDS_H

#include "stream.h"

struct fold {
	struct chunk_ref ref;
	uint32_t slot; /* of the events that it belongs to */
};

/* In the order of their slots, one for each at most. All zero is none. */
struct folds {
	struct fold *folds;
	size_t count;
	uint64_t held_bytes; /* sum of what each held at most */
};

/*
 * Find the fold chunks in INDEX, which is in order. What cannot be one goes to DAMAGE; all of them
 * do when the log is not FOLDED. Returns 0, or -1 after a message when the file cannot be read.
 */
int folds_find(struct folds *folds, const struct chunk_file *file, const struct chunk_index *index,
	       bool folded, struct reader_damage *damage);
void folds_fini(struct folds *folds);

/*
 * Visit what the chunks hold, at the time of run->event. STREAMS are those of all slots, in order,
 * at their ends. Returns STREAM_END, STREAM_STOP or STREAM_ERROR.
 */
enum stream_state folds_visit(const struct folds *folds, const struct stream *streams, size_t count,
			      struct stream_run *run);

#endif
