/* SPDX-License-Identifier: MIT */
/*
 * The resident set at events in difficult surroundings: forked children, descriptors that the
 * program closes, ordinary users, and systems that refuse the counter of page faults.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kept.h"
#include "rss_beside.h"

/* --- the surroundings ------------------------------------------------------------------------- */

/* Run BODY in a child; its failed checks are this one's. */
static void in_child(void (*body)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		statm = -1;
		check.failed = false;
		body();
		fflush(stdout);
		_exit(check.failed);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* What start_child() of the tracer does. */
static void forked_steps(void)
{
	unsigned char there[2];

	CHECK(self->rss.ring != NULL);
	CHECK_EQ(mincore(self->rss.ring, 2 * PAGE, there), -1);
	CHECK_EQ(errno, ENOMEM);
	memset(&self->rss, 0, sizeof(self->rss)); /* its pages are wiped */
	rss_reset();
	steps(PMT_RSS_FAULTS, TICKS);
	steps(PMT_RSS_SLICE, CLOCK);
	steps(PMT_RSS_EXACT, CLOCK);
}

static void forked(void)
{
	begin(PMT_RSS_FAULTS);
	in_child(forked_steps);
	touch(map(STEP), STEP);
	check_now();
	end();
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* One descriptor far up, none below, and none left. */
static void few_descriptors(void)
{
	const int before = descriptors();
	int free_before = dup(0), free_after;

	close(free_before);
	for (unsigned mode = PMT_RSS_FAULTS; mode <= PMT_RSS_EXACT; mode++) {
		begin(mode);
		free_after = dup(0);
		close(free_after);
		CHECK_EQ(free_after, free_before);
		CHECK_EQ(descriptors(), before + 1);
		end();
		CHECK_EQ(descriptors(), before);
	}
}

static int find_kept(void)
{
	char path[64], target[64];
	int kept = -1;

	for (int fd = kept_first_number(); fd < kept_first_number() + 8; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, target, sizeof(target) - 1);

		target[size < 0 ? 0 : size] = '\0';
		if (strstr(target, "/statm") != NULL)
			kept = fd;
	}
	return kept;
}

/* As rss.c has it: the tracer opens it so often, then it does without. */
#define KEEP_TIMES 4

/* The program closes it, again and again, and has something of its own under the number. */
static void closed_descriptor(void)
{
	begin(PMT_RSS_EXACT);
	for (int i = 0; i < 8; i++) {
		int own = memfd_create("own", MFD_CLOEXEC), kept = find_kept();

		CHECK_EQ(write(own, "1 7 0", 5), 5);
		CHECK_EQ(kept >= 0, i < KEEP_TIMES);
		if (kept >= 0)
			CHECK_EQ(dup2(own, kept), kept);
		check_now();
		check_now();
		close(own);
		if (kept >= 0)
			close(kept);
	}
	end();
}

/* No descriptor to be had: the thread goes by slice, and the value is right. */
static void no_descriptors(void)
{
	struct rlimit limit;
	struct thread *t;

	begin(PMT_RSS_FAULTS);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &limit);
	t = new_thread();
	CHECK_EQ(rss_at_event(t), resident());
	CHECK(t->rss.ring == NULL);
}

static void without_descriptors(void)
{
	in_child(no_descriptors);
}

static void errno_stays(void)
{
	char *p = map(2 * STEP);

	for (unsigned mode = PMT_RSS_FAULTS; mode <= PMT_RSS_OFF; mode++) {
		begin(mode);
		errno = 4321;
		touch(p, STEP);
		(void)rss_at_event(self);
		rss_gave_back();
		(void)rss_is_large(self);
		(void)rss_at_event(self);
		rss_put_memory(self);
		CHECK_EQ(errno, 4321);
		rss_thread(self);
		(void)rss_at_event(self);
		(void)rss_tick();
		(void)rss_at_event(self);
		rss_tick_stop();
		CHECK_EQ(errno, 4321);
		end();
	}
	munmap(p, 2 * STEP);
}

/* --- a system that refuses -------------------------------------------------------------------- */

static uint32_t refusal;

static void refuse_counters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refusal),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void refused(void)
{
	int status;

	refuse_counters();
	problems = 0;
	CHECK_EQ(rss_start(PMT_RSS_AUTO), PMT_RSS_SLICE);
	CHECK_EQ(problems, 0);
	rss_reset();
	steps(PMT_RSS_SLICE, CLOCK);
	CHECK_EQ(waitpid(-1, &status, WNOHANG), -1); /* no child of ours is left */
	CHECK_EQ(errno, ECHILD);
}

/* Asked for by name: said, but once. */
static void refused_by_name(void)
{
	refuse_counters();
	problems = 0;
	CHECK_EQ(rss_start(PMT_RSS_FAULTS), PMT_RSS_SLICE);
	CHECK_EQ(problems, 1);
	rss_reset();
	CHECK_EQ(rss_start(PMT_RSS_FAULTS), PMT_RSS_SLICE);
	CHECK_EQ(problems, 1);
	rss_reset();
}

static void refusals(void)
{
	static const uint32_t answers[] = {
		SECCOMP_RET_ERRNO | EPERM,
		SECCOMP_RET_ERRNO | ENOSYS,
		SECCOMP_RET_ERRNO | EACCES,
		SECCOMP_RET_KILL_PROCESS,
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		refusal = answers[i];
		in_child(refused);
		in_child(refused_by_name);
	}
}

#define MANY 3000

/* The `notice` records put so far. */
static size_t notices(const struct thread *t)
{
	const uint8_t *p = records;
	size_t count = 0;

	while (p < t->writer.enc.cur) {
		CHECK_EQ(*p, PMT_TAG_notice);
		p += 3 + (p[1] & 0x7f) + (p[2] << 7);
		count++;
	}
	return count;
}

/* An ordinary user may have so much locked memory, and no more counters than fit into it. */
static void many_counters(void)
{
	size_t without = 0;
	struct thread *t;

	CHECK_EQ(setgid(65534), 0);
	CHECK_EQ(setuid(65534), 0);
	begin(PMT_RSS_FAULTS);
	for (int i = 0; i < MANY; i++) {
		t = new_thread();
		CHECK_EQ(rss_at_event(t), resident());
		if (t->rss.ring != NULL)
			continue;
		CHECK_EQ(notices(t), 1);
		(void)rss_at_event(t);
		CHECK_EQ(notices(t), 1);
		without++;
	}
	CHECK(without > 0);
	CHECK(without < MANY);
}

static void locked_memory(void)
{
	if (geteuid() == 0)
		in_child(many_counters);
}

static void ordinary_user(void)
{
	CHECK_EQ(setgid(65534), 0);
	CHECK_EQ(setuid(65534), 0);
	steps(PMT_RSS_FAULTS, TICKS);
	steps(PMT_RSS_FAULTS, CLOCK);
	kernel_faults();
}

static void as_ordinary_user(void)
{
	if (geteuid() == 0)
		in_child(ordinary_user);
}

int main(void)
{
	/* Those behind the first zero need the counter. */
	static struct check_test tests[] = {
		{"the descriptor is closed", closed_descriptor},
		{"the counter is refused", refusals},
		{0},
		{"a forked child", forked},
		{"descriptors", few_descriptors},
		{"no descriptor to be had", without_descriptors},
		{"errno", errno_stays},
		{"more counters than allowed", locked_memory},
		{"an ordinary user", as_ordinary_user},
		{0},
	};
	struct check_test *gap = tests + 2;

	if (faults_try() == 0)
		memmove(gap, gap + 1, sizeof(tests) - 3 * sizeof(*tests));
	else
		printf("# this system does not let page faults be counted: only some tests\n");
	return check_run(tests);
}
