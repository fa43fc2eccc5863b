// SPDX-License-Identifier: BSD-2-Clause
/* Bags of a stored table from several threads: recommend STORE TABLE [CARD].  cc recommend.c $(pkg-config --cflags --libs libsmartssd) -pthread -o recommend */
#include <libsmartssd_store.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, QUERIES = 250, BAGS = 16, ROWS = 20 }; /* queries of each thread, bags of each query, rows of each bag */

static struct smartssd_lookup *lookup;
static struct smartssd_table *table;
static struct smartssd_table_info info;

static void *user(void *seed)
{
	float *y = malloc(BAGS * info.dim * sizeof(*y));
	int64_t indices[BAGS * ROWS], offsets[BAGS + 1];
	struct smartssd_bags bags = { .table = table, .indices = indices, .offsets = offsets, .bags = BAGS, .y = y };
	struct smartssd_error err = { "" };
	unsigned state = *(unsigned *)seed;
	double sum = 0;
	int ret = !y;

	for (int b = 0; b <= BAGS; b++)
		offsets[b] = b * ROWS;
	for (int q = 0; q < QUERIES && !ret; q++) {
		for (int i = 0; i < BAGS * ROWS; i++) { /* few rows are wanted often, many now and then */
			double part = rand_r(&state) / (RAND_MAX + 1.0);

			indices[i] = (int64_t)(part * part * part * (double)info.rows);
		}
		ret = smartssd_lookup_run(lookup, &bags, 1, &err); /* others' queries go into the same batch */
		for (uint32_t i = 0; !ret && i < BAGS * info.dim; i++)
			sum += y[i];
	}
	if (ret)
		fprintf(stderr, "recommend: %s\n", err.text);
	else
		printf("thread %u: sum %.6g\n", *(unsigned *)seed, sum);
	free(y);
	return ret ? NULL : seed;
}

int main(int argc, char **argv)
{
	struct smartssd_lookup_options options = { .row_cache = 64 << 20, .delay_us = 200 };
	struct smartssd_lookup_counts counts;
	struct smartssd_error err = { "" };
	struct smartssd_store *store = NULL;
	struct smartssd_device *card = NULL;
	unsigned seeds[THREADS], started = 0, ret;
	pthread_t threads[THREADS];
	char kernels[4096];
	void *fine;

	ret = argc < 3 || smartssd_store_open(argv[1], 0, &store, &err) || smartssd_table_open(store, argv[2], &table, &err) ||
	      smartssd_open(argv[3], &card, &err) || /* NULL: the first card there is, or an embedded one */
	      (!smartssd_find_kernel(card, "row_copy") && (smartssd_find_file("kernels.xclbin", kernels, sizeof(kernels)) || smartssd_xclbin_load_file(card, kernels, &err))) ||
	      smartssd_lookup_open(store, &card, 1, &options, &lookup, &err); /* one card for all volumes */
	if (ret) {
		fprintf(stderr, "recommend: %s\n", *err.text ? err.text : "usage: recommend STORE TABLE [CARD]");
	} else {
		smartssd_table_info(table, &info);
		for (; started < THREADS && !ret; started += !ret) {
			seeds[started] = started;
			ret = pthread_create(&threads[started], NULL, user, &seeds[started]) != 0;
		}
		for (unsigned t = 0; t < started; t++)
			ret |= pthread_join(threads[t], &fine) || !fine;
		smartssd_lookup_counts(lookup, &counts);
		printf("%llu queries in %llu batches; %llu of %llu lookups found their row in card memory\n", (unsigned long long)counts.requests,
		       (unsigned long long)counts.batches, (unsigned long long)counts.card_hits, (unsigned long long)counts.lookups);
	}
	smartssd_lookup_close(lookup);
	smartssd_close(card);
	smartssd_table_close(table);
	smartssd_store_close(store);
	return ret != 0;
}
