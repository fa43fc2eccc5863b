// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lookups of a recommendation model, several programs on the same tables, taking turns; what they give is compared.
 *
 *   lookups make STORE MODEL [ROWS]            imports the model's tables, MODEL-0, MODEL-1, ...; row r of table t is row_value()
 *   lookups where STORE MODEL                  file, byte of row 0, rows, dim of each: for programs that know nothing of stores
 *   lookups compare STORE MODEL [OPTION=VALUE...] WAY...
 *
 * Options: queries (of a turn), rounds, warm (queries before the first turn), batch (queries), zipf (0: uniform), seed, groups (folder of a memory
 * cgroup: a group for each way is made in it), limit (bytes of each group), torch (the program that is the way torch), folder (for what it needs).
 * A WAY is engine, mmap, uring or torch, then options after commas: store=S (a copy), cache=MIB, threads=N, policy=P, device=URI, staging=MIB,
 * no_dedup, ahead, name=TEXT, target=RATIO, warm=N (only the last N of the queries to warm: for what has no cache, or a small one).
 *
 * Each way is a process of its own. In round r each does the same queries; the order turns. Ratios are the first way's queries/s over another's: the geometric mean of the rounds',
 * and that of the least times.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../runtime/store/trace.h"
#include "../../../runtime/store/trace_impl.h"
#include "lookups.h"

enum { MAX_WAYS = 12, MAX_ROUNDS = 99 };

static struct smartssd_error err;

void die(int error, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "lookups: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
	exit(1);
}

void *allocate(uint64_t bytes)
{
	void *p = mmap(NULL, bytes + !bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die(ENOMEM, "%llu bytes", (unsigned long long)bytes);
	if (bytes >= 4 << 20)
		madvise(p, bytes, MADV_HUGEPAGE); /* not everywhere */
	return p;
}

static void must(int ret, const char *what)
{
	if (ret)
		die(-ret, "%s: %s", what, err.text);
}

/* ---- tables ---- */

static float row_value(uint32_t table, uint64_t row, uint32_t column)
{
	return (float)((int)((trace_mix(((uint64_t)table << 40) + row) >> (column % 32) ^ column) % 2001) - 1000);
}

struct made {
	uint32_t table, dim;
};

static int make_rows(void *ctx, uint64_t from, uint64_t nr, float *out, struct smartssd_error *text)
{
	const struct made *m = ctx;

	(void)text;
	for (uint64_t i = 0; i < nr; i++)
		for (uint32_t d = 0; d < m->dim; d++)
			*out++ = row_value(m->table, from + i, d);
	return 0;
}

static struct trace_model *model_of(const char *name)
{
	const struct trace_model *known = trace_model_by_name(name);
	struct trace_model *m = allocate(sizeof(*m));

	if (!known)
		die(0, "no model '%s'", name);
	*m = *known;
	return m;
}

static int make(const char *spec, const char *name, uint64_t rows)
{
	struct trace_model *m = model_of(name);
	struct store *s;

	must(store_open(spec, VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE, &s, &err), spec);
	for (uint32_t t = 0; t < m->tables; t++) {
		struct made made = { t, m->dim };
		char table[STORE_NAME];
		struct store_rows_source source = { .rows = rows ? rows : m->rows[t], .dim = m->dim, .identity = "lookups make", .read = make_rows, .ctx = &made };
		struct store_import import = { .name = table, .format = SMARTSSD_ROWS_FP32, .shard = SMARTSSD_SHARD_TABLE, .volume = UINT32_MAX, .replace = true, .restart = true };

		snprintf(table, sizeof(table), "%s-%u", name, t);
		must(store_rows_from(&source, &import.rows, &err), table);
		must(store_import(s, &import, NULL, NULL, &err), table);
		store_rows_close(import.rows);
	}
	store_close(s);
	return 0;
}

static struct store *open_tables(const char *spec, const char *name, uint32_t nr, struct table_file **out)
{
	struct table_file *f = allocate(nr * sizeof(*f));
	struct store *s;

	must(store_open(spec, VOLUME_READ, &s, &err), spec);
	for (uint32_t t = 0; t < nr; t++) {
		char table[STORE_NAME], link[40];
		const struct volume_object *rows;
		ssize_t n;

		snprintf(table, sizeof(table), "%s-%u", name, t);
		must(table_open(s, table, &f[t].table, &err), table);
		rows = table_rows(f[t].table, 0);
		if (table_info(f[t].table)->shards != 1 || table_info(f[t].table)->layout.span % table_info(f[t].table)->layout.row_bytes)
			die(EINVAL, "table '%s': rows are not one behind the other", table);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", rows->fd);
		n = readlink(link, f[t].path, sizeof(f[t].path) - 1);
		if (n < 0)
			die(errno, "%s", link);
		f[t].path[n] = 0;
		f[t].offset = rows->offset + ROWS_HEADER;
	}
	*out = f;
	return s;
}

static int print_where(const char *spec, const char *name)
{
	struct table_file *f;
	uint32_t nr = model_of(name)->tables;

	open_tables(spec, name, nr, &f);
	for (uint32_t t = 0; t < nr; t++)
		printf("%s %llu %llu %u\n", f[t].path, (unsigned long long)f[t].offset, (unsigned long long)table_info(f[t].table)->rows, table_info(f[t].table)->dim);
	return 0;
}

/* ---- what is asked ---- */

struct comparison {
	const char *spec, *model, *torch, *groups, *folder;
	char indices_file[4096];
	struct shape shape;
	uint64_t queries, warm, seed, limit;
	uint32_t rounds;
	double zipf;
	int64_t *indices;
	struct entry {
		const struct way *way; /* NULL: the program torch */
		uint32_t number;
		struct way_options o;
		const char *store;
		char text[120];
		double target; /* ratio; 0: none */
		uint64_t warm; /* queries; 0: all that there are to warm */
		pid_t pid;
		FILE *to, *from;
		double seconds[MAX_ROUNDS];
		double cpu[MAX_ROUNDS];
	} entry[MAX_WAYS];
	uint32_t nr;
};

/* In batches, all that one table is asked together. Memory of the parent, which is in no group. */
static void make_indices(struct comparison *c, const struct trace_model *m)
{
	struct trace_make how = { .model = m, .queries = c->warm + c->rounds * c->queries, .zipf = c->zipf, .seed = c->seed };
	const struct shape *s = &c->shape;
	struct trace t;

	must(trace_make(&how, &t, &err), "trace");
	c->indices = allocate(how.queries * s->tables * s->lookups * sizeof(*c->indices));
	for (uint64_t q = 0; q < how.queries; q++)
		for (uint32_t k = 0; k < s->tables; k++)
			memcpy(c->indices + ((q / s->batch * s->tables + k) * s->batch + q % s->batch) * s->lookups, t.indices + (q * s->tables + k) * s->lookups, s->lookups * sizeof(*c->indices));
	trace_free(&t);
}

static uint64_t right_digest(const struct comparison *c, unsigned long batch)
{
	const struct shape *s = &c->shape;
	const int64_t *index = c->indices + batch * shape_rows(s);
	float *y = allocate(shape_bags(s) * s->dim * sizeof(*y));
	uint64_t digest;

	for (uint64_t bag = 0; bag < shape_bags(s); bag++)
		for (uint32_t i = 0; i < s->lookups; i++, index++)
			for (uint32_t d = 0; d < s->dim; d++)
				y[bag * s->dim + d] += row_value((uint32_t)(bag / s->batch), (uint64_t)*index, d);
	digest = work_digest(s, batch, y);
	munmap(y, shape_bags(s) * s->dim * sizeof(*y));
	return digest;
}

/* ---- a way, in its process: "run FIRST END" gives seconds, processor seconds, digest; "report QUERIES" a line ---- */

struct worker {
	struct serving *all;
	uint32_t number;
};

struct serving {
	const struct entry *e;
	void *way;
	struct work work;
	pthread_barrier_t start, end;
};

static void *worker(void *arg)
{
	struct worker *w = arg;
	struct serving *s = w->all;

	if (s->e->way->thread)
		s->e->way->thread(s->way, w->number);
	pthread_barrier_wait(&s->end);
	for (;;) {
		pthread_barrier_wait(&s->start);
		s->e->way->run(s->way, w->number, &s->work);
		pthread_barrier_wait(&s->end);
	}
	return NULL;
}

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec * 1e-6;
}

static double processor_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return seconds_of(&r.ru_utime) + seconds_of(&r.ru_stime);
}

/* The embedded card's DDR is in it, as far as it is used. */
static double resident_megabytes(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)r.ru_maxrss * 1024e-6;
}

static void write_text(const char *folder, const char *file, const char *text)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		die(errno, "%s", path);
}

static void serve(const struct comparison *c, struct entry *e, FILE *in, FILE *out)
{
	struct serving s = { .e = e, .work = { .shape = &c->shape, .indices = c->indices } };
	char line[100];

	e->o.shape = &c->shape;
	e->o.store = open_tables(e->store ? e->store : c->spec, c->model, c->shape.tables, &e->o.tables);
	s.way = e->way->open(&e->o);
	pthread_barrier_init(&s.start, NULL, e->o.threads + 1);
	pthread_barrier_init(&s.end, NULL, e->o.threads + 1);
	for (uint32_t i = 0; i < e->o.threads; i++) {
		struct worker *w = allocate(sizeof(*w));
		pthread_t thread;

		*w = (struct worker){ &s, i };
		if (pthread_create(&thread, NULL, worker, w))
			die(EAGAIN, "thread");
	}
	pthread_barrier_wait(&s.end);
	fprintf(out, "ready\n");
	fflush(out);
	while (fgets(line, sizeof(line), in)) {
		unsigned long first, end;
		double queries;

		if (sscanf(line, "run %lu %lu", &first, &end) == 2) {
			double cpu = processor_seconds();
			uint64_t start = smartssd_now();

			s.work.next = first;
			s.work.end = end;
			s.work.digest = 0;
			pthread_barrier_wait(&s.start);
			pthread_barrier_wait(&s.end);
			fprintf(out, "%.9f %.9f %lu\n", (double)(smartssd_now() - start) * 1e-9, processor_seconds() - cpu, (unsigned long)s.work.digest);
		} else if (sscanf(line, "report %lf", &queries) == 1) {
			if (e->way->report)
				e->way->report(s.way, queries, out);
			fprintf(out, "%sresident at most %.0f MB\n", e->way->report ? "; " : "", resident_megabytes());
		}
		fflush(out);
	}
	e->way->close(s.way);
	exit(0);
}

/* PyTorch joins its group itself, when it has loaded what it needs beside the tables. */
static void become_torch(const struct comparison *c, const struct entry *e, const char *group)
{
	const struct shape *s = &c->shape;
	char *args[STORE_MAX_TABLES + 10], text[100];
	struct table_file *f;
	uint32_t n = 0;

	open_tables(e->store ? e->store : c->spec, c->model, s->tables, &f);
	args[n++] = (char *)c->torch;
	args[n++] = (char *)group;
	args[n++] = (char *)c->indices_file;
	snprintf(text, sizeof(text), "%u %u %u %u %llu %u", s->tables, s->dim, s->lookups, s->batch, (unsigned long long)s->rows, e->o.threads);
	args[n++] = text;
	for (uint32_t t = 0; t < s->tables; t++)
		if (asprintf(&args[n++], "%llu:%s", (unsigned long long)f[t].offset, f[t].path) < 0)
			die(ENOMEM, "torch");
	args[n] = NULL;
	execv(c->torch, args);
	die(errno, "%s", c->torch);
}

static void make_group(const struct comparison *c, uint32_t number, char group[4096])
{
	char path[4200], text[40];

	group[0] = 0;
	if (!c->groups)
		return;
	snprintf(group, 4096, "%s/%u", c->groups, number);
	if (mkdir(group, 0755) && errno != EEXIST)
		die(errno, "%s", group);
	snprintf(path, sizeof(path), "%s/memory.max", group);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)c->limit);
	write_text(group, access(path, F_OK) ? "memory.limit_in_bytes" : "memory.max", text);
}

static void start_entry(struct comparison *c, uint32_t number)
{
	struct entry *e = &c->entry[number];
	int to[2], from[2];
	char group[4096];

	make_group(c, number, group);
	if (pipe(to) || pipe(from))
		die(errno, "pipe");
	fflush(stdout);
	e->pid = fork();
	if (e->pid < 0)
		die(errno, "fork");
	if (!e->pid) {
		/* So that each sees the end of its input. */
		for (uint32_t i = 0; i < number; i++) {
			fclose(c->entry[i].to);
			fclose(c->entry[i].from);
		}
		close(to[1]);
		close(from[0]);
		if (!e->way) {
			if (dup2(to[0], 0) < 0 || dup2(from[1], 1) < 0)
				die(errno, "dup2");
			become_torch(c, e, group);
		}
		if (c->groups)
			write_text(group, "cgroup.procs", "0");
		serve(c, e, fdopen(to[0], "r"), fdopen(from[1], "w"));
	}
	close(to[0]);
	close(from[1]);
	e->to = fdopen(to[1], "w");
	e->from = fdopen(from[0], "r");
}

static void answer(struct entry *e, char line[1000])
{
	char *end;

	fflush(e->to);
	if (!fgets(line, 1000, e->from)) {
		int status = 0;

		waitpid(e->pid, &status, 0);
		if (!e->way && WIFEXITED(status) && WEXITSTATUS(status) == 77)
			strcpy(line, "skip");
		else if (WIFSIGNALED(status))
			die(0, "%s: ended by signal %d%s", e->text, WTERMSIG(status), WTERMSIG(status) == SIGKILL ? ": out of memory?" : "");
		else
			die(0, "%s: ended", e->text);
	}
	end = strchr(line, '\n');
	if (end)
		*end = 0;
}

static void run_entry(const struct comparison *c, struct entry *e, uint64_t first, uint64_t queries, double *seconds, double *cpu, unsigned long *digest)
{
	char line[1000];

	fprintf(e->to, "run %lu %lu\n", (unsigned long)(first / c->shape.batch), (unsigned long)((first + queries) / c->shape.batch));
	answer(e, line);
	if (sscanf(line, "%lf %lf %lu", seconds, cpu, digest) != 3)
		die(0, "%s: answered '%s'", e->text, line);
}

/* ---- all of them ---- */

static void report(struct comparison *c, struct entry *e)
{
	double least = INFINITY, sum = 0, cpu = 0, log_ratio = 0, first_least = INFINITY;
	char line[1000];

	for (uint32_t r = 0; r < c->rounds; r++) {
		least = fmin(least, e->seconds[r]);
		first_least = fmin(first_least, c->entry[0].seconds[r]);
		sum += log(e->seconds[r]);
		cpu += e->cpu[r];
		log_ratio += log(e->seconds[r] / c->entry[0].seconds[r]);
	}
	printf("%-26s %8.1f queries/s (geometric mean), %8.1f (least time); %6.1f us of processor a query", e->text, (double)c->queries / exp(sum / c->rounds), (double)c->queries / least,
	       cpu / c->rounds / (double)c->queries * 1e6);
	if (e != c->entry)
		printf("; %s is %.2fx of it (of least times %.2fx)", c->entry[0].text, exp(log_ratio / c->rounds), least / first_least);
	if (e->target > 0)
		printf(", target %.1fx: %s", e->target, exp(log_ratio / c->rounds) >= e->target ? "met" : "NOT MET");
	fprintf(e->to, "report %llu\n", (unsigned long long)(c->queries * c->rounds));
	answer(e, line);
	printf("%s%s\n", *line ? "\n    " : "", line);
}

/* Most bytes that a group had, or 0. */
static double group_peak(const struct comparison *c, uint32_t number)
{
	static const char *const names[] = { "memory.max_usage_in_bytes", "memory.peak" };
	double bytes = 0;

	for (int i = 0; i < 2 && c->groups; i++) {
		char path[4200];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%u/%s", c->groups, number, names[i]);
		f = fopen(path, "r");
		if (f) {
			if (fscanf(f, "%lf", &bytes) != 1)
				bytes = 0;
			fclose(f);
		}
	}
	return bytes;
}

static void drop_skipped(struct comparison *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->nr; i++) {
		char line[1000];

		answer(&c->entry[i], line);
		if (!strcmp(line, "skip")) {
			printf("%s: skipped, it said why\n", c->entry[i].text);
			continue;
		}
		c->entry[n++] = c->entry[i];
	}
	c->nr = n;
}

static void compare(struct comparison *c)
{
	const struct shape *s = &c->shape;
	unsigned long digest, want = right_digest(c, 0), got;
	char line[1000], popularity[20];
	double seconds, cpu;

	for (uint32_t i = 0; i < c->nr; i++)
		start_entry(c, i);
	drop_skipped(c);
	for (uint32_t i = 0; i < c->nr; i++) {
		run_entry(c, &c->entry[i], 0, s->batch, &seconds, &cpu, &got);
		if (got != want)
			die(0, "%s: the first batch is wrong", c->entry[i].text);
		run_entry(c, &c->entry[i], c->warm - c->entry[i].warm, c->entry[i].warm, &seconds, &cpu, &digest);
		fprintf(c->entry[i].to, "report 1\n");
		answer(&c->entry[i], line);
	}
	for (uint32_t r = 0; r < c->rounds; r++) {
		for (uint32_t k = 0; k < c->nr; k++) {
			struct entry *e = &c->entry[(r + k) % c->nr];

			run_entry(c, e, c->warm + r * c->queries, c->queries, &e->seconds[r], &e->cpu[r], &got);
			if (k && got != digest)
				die(0, "%s: round %u: its results are not those of the others", e->text, r);
			digest = got;
		}
	}
	snprintf(popularity, sizeof(popularity), c->zipf > 0 ? "zipf %.1f" : "uniform", c->zipf);
	printf("%u tables x %llu x %u fp32 (%.2f GB), %u lookups each, %s; %u rounds of %llu queries in batches of %u after %llu; all gave the same sums\n", s->tables,
	       (unsigned long long)s->rows, s->dim, (double)s->tables * (double)s->rows * s->dim * 4 * 1e-9, s->lookups, popularity, c->rounds,
	       (unsigned long long)c->queries, s->batch, (unsigned long long)c->warm);
	for (uint32_t i = 0; i < c->nr; i++) {
		report(c, &c->entry[i]);
		if (c->groups)
			printf("    memory: at most %.0f MB of %.0f MB\n", group_peak(c, c->entry[i].number) * 1e-6, (double)c->limit * 1e-6);
		fflush(stdout);
	}
	for (uint32_t i = 0; i < c->nr; i++) {
		int status;

		fclose(c->entry[i].to);
		if (waitpid(c->entry[i].pid, &status, 0) < 0 || status)
			die(0, "%s: did not end well", c->entry[i].text);
	}
}

/* ---- options ---- */

static const char *value_of(const char *option, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(option, name, n) && option[n] == '=' ? option + n + 1 : NULL;
}

static void parse_way(struct comparison *c, char *text)
{
	struct entry *e = &c->entry[c->nr];
	static const struct way *const ways[] = { &way_engine, &way_mmap, &way_uring };
	char *rest = text, *word;

	snprintf(e->text, sizeof(e->text), "%s", text);
	word = strsep(&rest, ","); /* in place: what e->store points to stays */
	e->o.threads = 1;
	e->number = c->nr++;
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(word, ways[i]->name))
			e->way = ways[i];
	if (!e->way && strcmp(word, "torch"))
		die(0, "no way '%s'", word);
	while ((word = strsep(&rest, ","))) {
		const char *v;

		if ((v = value_of(word, "store")))
			e->store = v;
		else if ((v = value_of(word, "cache")))
			e->o.cache = strtoull(v, NULL, 0) << 20;
		else if ((v = value_of(word, "staging")))
			e->o.staging = strtoull(v, NULL, 0) << 20;
		else if ((v = value_of(word, "threads")))
			e->o.threads = (uint32_t)strtoul(v, NULL, 0);
		else if ((v = value_of(word, "warm")))
			e->warm = strtoull(v, NULL, 0);
		else if ((v = value_of(word, "target")))
			e->target = strtod(v, NULL);
		else if ((v = value_of(word, "policy")))
			e->o.policy = v;
		else if ((v = value_of(word, "device")))
			e->o.device = v;
		else if ((v = value_of(word, "name")))
			snprintf(e->text, sizeof(e->text), "%s", v);
		else if (!strcmp(word, "no_dedup"))
			e->o.no_dedup = true;
		else if (!strcmp(word, "ahead"))
			e->o.ahead = true;
		else
			die(0, "way '%s': no option '%s'", e->text, word);
	}
	if (!e->o.threads)
		die(0, "way '%s': no threads", e->text);
}

static void save_indices(struct comparison *c)
{
	uint64_t nr = (c->warm + c->rounds * c->queries) * c->shape.tables * c->shape.lookups;
	FILE *f;

	for (uint32_t i = 0; i < c->nr && !c->indices_file[0]; i++) {
		if (c->entry[i].way)
			continue;
		if (!c->torch || !c->folder)
			die(0, "the way torch needs torch=PROGRAM and folder=FOLDER");
		snprintf(c->indices_file, sizeof(c->indices_file), "%s/indices", c->folder);
		f = fopen(c->indices_file, "w");
		if (!f || fwrite(c->indices, sizeof(*c->indices), nr, f) != nr || fclose(f))
			die(errno, "%s", c->indices_file);
	}
}

static int compare_main(char **argv)
{
	struct comparison c = { .spec = argv[0], .model = argv[1], .queries = 512, .warm = 4096, .rounds = 5, .zipf = 1, .seed = 1 };
	struct trace_model *m = model_of(argv[1]);
	uint64_t rows = 0;

	c.shape = (struct shape){ m->tables, m->dim, m->lookups, 64, 0 };
	for (argv += 2; *argv; argv++) {
		const char *v;

		if ((v = value_of(*argv, "queries")))
			c.queries = strtoull(v, NULL, 0);
		else if ((v = value_of(*argv, "warm")))
			c.warm = strtoull(v, NULL, 0);
		else if ((v = value_of(*argv, "rounds")))
			c.rounds = (uint32_t)strtoul(v, NULL, 0);
		else if ((v = value_of(*argv, "batch")))
			c.shape.batch = (uint32_t)strtoul(v, NULL, 0);
		else if ((v = value_of(*argv, "rows")))
			rows = strtoull(v, NULL, 0);
		else if ((v = value_of(*argv, "zipf")))
			c.zipf = strtod(v, NULL);
		else if ((v = value_of(*argv, "seed")))
			c.seed = strtoull(v, NULL, 0);
		else if ((v = value_of(*argv, "limit")))
			c.limit = strtoull(v, NULL, 0);
		else if ((v = value_of(*argv, "groups")))
			c.groups = v;
		else if ((v = value_of(*argv, "torch")))
			c.torch = v;
		else if ((v = value_of(*argv, "folder")))
			c.folder = v;
		else if (c.nr < MAX_WAYS)
			parse_way(&c, *argv);
		else
			die(0, "more than %d ways", MAX_WAYS);
	}
	if (!c.nr || !c.rounds || c.rounds > MAX_ROUNDS || !c.shape.batch || !c.queries || c.queries % c.shape.batch || c.warm % c.shape.batch || c.warm < 2 * c.shape.batch)
		die(0, "queries and warm are whole batches, two at least to warm; 1 to %d rounds; at least one way", MAX_ROUNDS);
	for (uint32_t i = 0; i < c.nr; i++) {
		struct entry *e = &c.entry[i];

		e->warm = e->warm ? e->warm : c.warm - c.shape.batch;
		if (e->warm % c.shape.batch || e->warm >= c.warm)
			die(0, "%s: warm is whole batches, and less than that of all", e->text);
	}
	for (uint32_t t = 0; t < m->tables && rows; t++)
		m->rows[t] = rows;
	c.shape.rows = m->rows[0];
	make_indices(&c, m);
	save_indices(&c);
	compare(&c);
	return 0;
}

int main(int argc, char **argv)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && !strcmp(argv[1], "make"))
		return make(argv[2], argv[3], argc > 4 ? strtoull(argv[4], NULL, 0) : 0);
	if (argc == 4 && !strcmp(argv[1], "where"))
		return print_where(argv[2], argv[3]);
	if (argc > 4 && !strcmp(argv[1], "compare"))
		return compare_main(argv + 2);
	fprintf(stderr, "usage: lookups make STORE MODEL [ROWS] | where STORE MODEL | compare STORE MODEL [OPTION=VALUE...] WAY...\n");
	return 2;
}
