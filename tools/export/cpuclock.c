/* SPDX-License-Identifier: MIT */
/* Processor time by samples. */
#include "cpuclock.h"

#include <stdlib.h>

#include "error.h"
#include "progress.h"
#include "span.h"

static void add_sample(struct cpuclock *clock, const struct cpuclock_sample *sample)
{
	if (clock->samples == NULL)
		clock->samples = need_memory(CPUCLOCK_SAMPLES_MAX * sizeof(*clock->samples));
	if (clock->seen++ % clock->stride != 0)
		return;
	if (clock->count == CPUCLOCK_SAMPLES_MAX) {
		clock->count /= 2;
		clock->stride *= 2;
		for (size_t i = 0; i < clock->count; i++)
			clock->samples[i] = clock->samples[2 * i];
	}
	clock->samples[clock->count++] = *sample;
}

static int visit_event(void *context, const struct reader_event *event)
{
	const uint64_t told =
		event->record.type == PMT_REC_mark ? span_cpu_ns(&event->record.mark.text) : 0;

	progress_step(event->number);
	if (told != 0)
		add_sample(context, &(struct cpuclock_sample){event->time_ns, told});
	if (event->record.type == PMT_REC_rss && event->record.rss.cpu_ns != 0)
		add_sample(context,
			   &(struct cpuclock_sample){event->time_ns, event->record.rss.cpu_ns});
	return 0;
}

static int pass_over(void *context, const struct reader_blocks *blocks)
{
	(void)context;
	progress_steps(blocks->number, blocks->count);
	return 0;
}

int cpuclock_init(struct cpuclock *clock, struct reader *reader)
{
	*clock = (struct cpuclock){.stride = 1};
	return reader_run_blocks(reader, visit_event, pass_over, clock) < 0 ? -1 : 0;
}

void cpuclock_fini(struct cpuclock *clock)
{
	free(clock->samples);
	*clock = (struct cpuclock){0};
}

/* In floating point: the product of two such numbers has more than 64 bits. */
static uint64_t time_between(const struct cpuclock_sample *a, const struct cpuclock_sample *b,
			     uint64_t time_ns)
{
	const double part = (double)(time_ns - a->time_ns) / (double)(b->time_ns - a->time_ns);

	if (b->cpu_ns < a->cpu_ns)
		return a->cpu_ns;
	return a->cpu_ns + (uint64_t)(part * (double)(b->cpu_ns - a->cpu_ns));
}

uint64_t cpuclock_at(struct cpuclock *clock, uint64_t time_ns)
{
	while (clock->next < clock->count && clock->samples[clock->next].time_ns < time_ns)
		clock->next++;
	while (clock->next != 0 && clock->samples[clock->next - 1].time_ns >= time_ns)
		clock->next--;
	if (clock->count == 0)
		return 0;
	if (clock->next == clock->count)
		return clock->samples[clock->count - 1].cpu_ns;
	if (clock->next == 0 || clock->samples[clock->next].time_ns == time_ns)
		return clock->samples[clock->next].cpu_ns;
	return time_between(&clock->samples[clock->next - 1], &clock->samples[clock->next],
			    time_ns);
}
