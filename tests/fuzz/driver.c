// SPDX-License-Identifier: BSD-2-Clause
/*
 * A fuzz target's main() where there is no libFuzzer: mutates seeds for a while and prints one TAP result.
 *
 *   fuzz_x                       FUZZ_SECONDS (default 1) of CPU time
 *   SEED=n fuzz_x                the same inputs again
 *   fuzz_x FILE...               just these inputs
 *   fuzz_x --seeds FOLDER        write the seeds there
 *
 * On a crash the input is in crash-<target> beside the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "../unit_core/rng.h"
#include "fuzz.h"

#define MAX_INPUT   65536
#define MAX_CORPUS  512
#define MAX_SEEN    4096
#define HANG_SECONDS 30 /* of CPU time: beside others an input may take long */

void __sanitizer_set_death_callback(void (*callback)(void));

static struct {
	uint8_t *data;
	size_t bytes;
} corpus[MAX_CORPUS];
static unsigned nr_corpus, nr_seeds, nr_words;
static uint32_t seen[MAX_SEEN]; /* outcomes, as a hash set */
static unsigned nr_seen, nr_good;
static int is_new;

static uint8_t *input; /* being tried: exactly @input_bytes long, so that AddressSanitizer sees one too many */
static size_t input_bytes;
static unsigned long iteration;
static char crash_path[4096];

static void keep(const void *data, size_t bytes)
{
	if (nr_corpus == MAX_CORPUS || bytes > MAX_INPUT)
		return;
	corpus[nr_corpus].data = malloc(bytes ? bytes : 1);
	corpus[nr_corpus].bytes = bytes;
	memcpy(corpus[nr_corpus++].data, data, bytes);
}

void fuzz_outcome(int err, const char *words)
{
	uint32_t hash = 2166136261u ^ (uint32_t)err;
	unsigned slot;
	const char *first, *last;

	if (!err)
		nr_good++;
	/* Numbers, and what is in quotes (with quotes in it), differ for ever and tell nothing. */
	for (first = last = words; *last; last++)
		;
	first += strcspn(first, "'\"");
	while (last > first && last[-1] != '\'' && last[-1] != '"')
		last--;
	for (; *words; words++)
		if ((words < first || words >= last) && (*words < '0' || *words > '9'))
			hash = (hash ^ (uint8_t)*words) * 16777619u;
	hash |= !hash;
	for (slot = hash % MAX_SEEN; seen[slot]; slot = (slot + 1) % MAX_SEEN)
		if (seen[slot] == hash)
			return;
	if (nr_seen < MAX_SEEN / 2) {
		seen[slot] = hash;
		nr_seen++;
		is_new = 1;
	}
}

/* The last words of a dying process: only what is allowed there. */
static void died(void)
{
	char text[200];
	int fd, n;

	n = snprintf(text, sizeof(text), "not ok 1 input %lu of %zu bytes, kept as crash-*\n1..1\n", iteration, input_bytes);
	if (write(STDOUT_FILENO, text, n) < 0)
		return;
	fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return;
	if (write(fd, input, input_bytes) < 0)
		fd = -1;
	close(fd);
}

static void on_signal(int nr)
{
	static const char hang[] = "an input takes for ever\n";

	if (nr == SIGPROF && write(STDERR_FILENO, hang, sizeof(hang) - 1) < 0)
		_exit(2);
	died();
	_exit(1);
}

static void try(const uint8_t *data, size_t bytes)
{
	input = malloc(bytes ? bytes : 1);
	input_bytes = bytes;
	memcpy(input, data, bytes);
	is_new = 0;
	LLVMFuzzerTestOneInput(input, bytes);
	if (is_new)
		keep(input, bytes);
	free(input);
}

static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 4, 7, 8, 63, 64, 65, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff,
					    0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ull - 4095, ~0ull - 7, ~0ull };

	return numbers[rng_below(sizeof(numbers) / sizeof(numbers[0]))];
}

/* One change to @buf (room for MAX_INPUT): the new length. */
static size_t mutate(uint8_t *buf, size_t n)
{
	size_t at = n ? rng_below(n) : 0, len, from, room = MAX_INPUT - n;
	uint64_t number;
	unsigned c;
	char text[32];

	switch (n ? rng_below(11) : 8) {
	case 0:
		buf[at] ^= 1 << rng_below(8);
		return n;
	case 1:
		buf[at] = rng_u64();
		return n;
	case 2: /* a number, at a multiple of its width or anywhere */
		len = 1u << rng_below(4);
		at = rng_below(4) ? at & ~(len - 1) : at;
		number = odd_number();
		if (at + len <= n)
			memcpy(buf + at, &number, len);
		return n;
	case 3: /* a little more or less */
		len = 1u << rng_below(4);
		at &= ~(len - 1);
		if (at + len > n)
			return n;
		number = 0;
		memcpy(&number, buf + at, len);
		number += (int64_t)rng_below(65) - 32;
		memcpy(buf + at, &number, len);
		return n;
	case 4:
		return at;
	case 5: /* take out */
		len = 1 + rng_below(n - at < 64 ? n - at : 64);
		memmove(buf + at, buf + at + len, n - at - len);
		return n - len;
	case 6: /* repeat */
		len = 1 + rng_below(n - at < 256 ? n - at : 256);
		if (len > room)
			return n;
		memmove(buf + at + len, buf + at, n - at);
		return n + len;
	case 7: /* something of another one */
		c = rng_below(nr_corpus);
		if (!corpus[c].bytes)
			return n;
		from = rng_below(corpus[c].bytes);
		len = 1 + rng_below(corpus[c].bytes - from);
		if (len > MAX_INPUT - at)
			return n;
		memcpy(buf + at, corpus[c].data + from, len);
		return at + len > n ? at + len : n;
	case 8: /* a word */
		if (!nr_words)
			return n;
		c = rng_below(nr_words);
		len = strlen(fuzz_words[c]);
		if (len > room)
			return n;
		memmove(buf + at + len, buf + at, n - at);
		memcpy(buf + at, fuzz_words[c], len);
		return n + len;
	case 9: /* another number in a text */
		for (len = 0; len < 64 && (buf[at] < '0' || buf[at] > '9'); len++)
			at = (at + 1) % n;
		for (len = 0; at + len < n && len < 20 && buf[at + len] >= '0' && buf[at + len] <= '9'; len++)
			;
		number = rng_below(2) ? odd_number() : rng_below(300);
		from = sprintf(text, "%llu", (unsigned long long)number);
		if (!len || from > room)
			return n;
		memmove(buf + at + from, buf + at + len, n - at - len);
		memcpy(buf + at, text, from);
		return n - len + from;
	default: /* copy within */
		from = rng_below(n);
		len = 1 + rng_below(n - (at > from ? at : from));
		memmove(buf + at, buf + from, len);
		return n;
	}
}

static int try_file(const char *path)
{
	static uint8_t buf[MAX_INPUT];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	try(buf, n);
	return 0;
}

static int write_seeds(const char *folder)
{
	char path[4096];

	for (unsigned i = 0; i < nr_seeds; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/seed-%u", folder, i);
		f = fopen(path, "wb");
		if (!f || fwrite(corpus[i].data, 1, corpus[i].bytes, f) != corpus[i].bytes || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* 0: never */
static void end_after(time_t seconds)
{
	setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = seconds }, NULL);
}

static void run(double seconds)
{
	static uint8_t buf[MAX_INPUT];

	end_after(HANG_SECONDS);
	for (iteration = 0; iteration < nr_seeds; iteration++)
		try(corpus[iteration].data, corpus[iteration].bytes);
	for (;; iteration++) {
		unsigned c, changes;
		size_t n;

		if (iteration % 256 == 0) {
			if (cpu_seconds() >= seconds)
				return;
			end_after(HANG_SECONDS);
		}
		/* Young ones and the first ones equally often. */
		c = rng_below(rng_below(2) ? nr_seeds : nr_corpus);
		n = corpus[c].bytes;
		memcpy(buf, corpus[c].data, n);
		for (changes = 1 + rng_below(1 + rng_below(6)); changes; changes--)
			n = mutate(buf, n);
		try(buf, n);
	}
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *seconds = getenv("FUZZ_SECONDS");
	int err = 0;

	snprintf(crash_path, sizeof(crash_path), "%.*scrash-%s", (int)(name - argv[0]), argv[0], name);
	while (fuzz_words[nr_words])
		nr_words++;
	fuzz_seeds(keep);
	nr_seeds = nr_corpus;
	if (argc == 3 && !strcmp(argv[1], "--seeds"))
		return write_seeds(argv[2]);
	for (int i = 1; i < argc; i++)
		err |= try_file(argv[i]);
	if (argc > 1)
		return err;

	__sanitizer_set_death_callback(died);
	signal(SIGABRT, on_signal);
	signal(SIGPROF, on_signal);
	rng_start();
	run(seconds ? atof(seconds) : 1.0);
	end_after(0);
	/* Mutations that never pass or never fail would prove nothing. */
	err = !nr_good || nr_seen < 5;
	printf("%sok 1 %s: %lu inputs, %u of them good, %u outcomes\n1..1\n", err ? "not " : "", name, iteration, nr_good, nr_seen);
	while (nr_corpus)
		free(corpus[--nr_corpus].data);
	return err;
}
