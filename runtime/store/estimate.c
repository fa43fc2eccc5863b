// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>

#include "estimate.h"
#include "placement.h"

enum figure {
	READS, FLASH, DDR, LAUNCHES, LINK, SHARED, SSD_HOST, POOLING, CORE_READ,
	E_DRAM, E_PCIE, P_DRAM, P_CORE, P_SSD, P_SSD_IDLE, P_SMARTSSD, FIGURES
};

static const struct estimate_figure figures[FIGURES + 1] = {
	[READS] = { "random reads of a drive, 4 KiB or less", PLACEMENT_READS_PER_SECOND, "1/s", "SmartSSD by AMD UG1382's fio: 746k IOPS" },
	[FLASH] = { "flash to card, peer to peer", 3.1e9, "B/s", "AMD UG1382: 3,214 MB/s with 32 requests in flight; 3.1 taken" },
	[DDR] = { "card DDR", PLACEMENT_DDR_PER_SECOND, "B/s", "AMD UG1382: 15,419 MB/s measured (one channel of DDR4, 19.2 GB/s peak)" },
	[LAUNCHES] = { "kernel launches of a card", 150790, "1/s", "vendor's sample: empty kernels" },
	[LINK] = { "host link of a card", 3.314e9, "B/s", "PCIe Gen3 x4, host DMA to DDR by the vendor's sample: 3,424 write, 3,314 read MB/s; the lower one" },
	[SHARED] = { "host link that all cards share", 15.75e9, "B/s", "PCIe Gen3 x16: 16 lanes of 8 GT/s, 128b/130b" },
	[SSD_HOST] = { "flash to host", 3.253e9, "B/s", "AMD UG1382's fio: 3,253 MB/s sequential read" },
	[POOLING] = { "rows pooled by a core", 73e6 * 256, "B/s", "PyTorch 1.13 EmbeddingBag, one Zen 3 core: 73 M rows/s of 64 fp32" },
	[CORE_READ] = { "time of a core for each read from an SSD", 1e-6, "s", "assumption: io_uring, about a million reads/s of a core" },
	[E_DRAM] = { "DRAM access", 30e-12 * 8, "J/B", "M. Horowitz, Computing's energy problem, ISSCC 2014: 1.3 to 2.6 nJ for 64 bits, the middle" },
	[E_PCIE] = { "PCIe, each link", 10e-12 * 8, "J/B", "assumption: 10 pJ/bit, as A. Arunkumar et al., MCM-GPU, ISCA 2017, take it for links on a board" },
	[P_DRAM] = { "DRAM, powered", 0.3725e-9, "W/B", "L. Lannelongue et al., Green Algorithms, Advanced Science 2021: 0.3725 W/GB; measurements vary by more than 2" },
	[P_CORE] = { "busy core of a server CPU", 280.0 / 64, "W", "AMD EPYC 7763: 280 W TDP, 64 cores" },
	[P_SSD] = { "NVMe SSD that reads", 12, "W", "assumption: U.2, PCIe Gen3 x4, 3.84 TB; data sheets have 8 to 14" },
	[P_SSD_IDLE] = { "NVMe SSD, idle", 5, "W", "assumption: likewise; data sheets have 4 to 6" },
	[P_SMARTSSD] = { "SmartSSD", 25, "W", "AMD UG1382: 25 W at most. What it takes in fact is less" },
};

const struct estimate_figure *estimate_figures(void)
{
	return figures;
}

/* What all queries together take of one drive, and of what drives share. */
struct needs {
	double reads, flash, ddr, launches, link; /* seconds, divided by the drives */
	double shared, host;
	double link_bytes;
};

static double part(uint64_t of, uint64_t all)
{
	return all ? (double)of / (double)all : 0;
}

static struct needs needs_of(const struct estimate_work *w)
{
	const struct engine_counts *c = w->counts;
	double link = (double)c->links.host_to_card + (double)c->links.card_to_host;
	double pooled = (double)w->row_bytes_pooled * part(c->card_lookups, c->rows), copied = 2 * (double)c->row_bytes_wanted;
	struct needs n = { .reads = (double)c->flash_reads / figures[READS].value, .flash = (double)c->flash_bytes / figures[FLASH].value };

	n.ddr = ((double)c->flash_bytes + pooled + copied + link) / figures[DDR].value;
	n.launches = (double)c->links.runs / figures[LAUNCHES].value;
	/* A bounced read crosses twice: SSD to host memory, and in host_to_card. */
	n.link_bytes = link + (double)c->links.bounce_read + (double)c->links.bounce_write;
	n.link = n.link_bytes / figures[LINK].value;
	n.shared = n.link_bytes / figures[SHARED].value;
	n.host = 1e-9 * ((double)c->plan_ns + (double)c->host_pool_ns) + w->host_seconds;
	return n;
}

static double slowest(const struct needs *n, uint32_t drives, const char **bound)
{
	const struct {
		double seconds;
		const char *name;
	} all[] = {
		{ n->reads / drives, "flash reads" }, { n->flash / drives, "flash bytes" },	  { n->ddr / drives, "card DDR" }, { n->launches / drives, "launches" },
		{ n->link / drives, "card's host link" }, { n->shared, "shared host link" }, { n->host >= ESTIMATE_LEAST_HOST ? n->host : 0, "host, one core" },
	};
	double most = 0;

	*bound = "nothing";
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].seconds > most) {
			most = all[i].seconds;
			*bound = all[i].name;
		}
	return most;
}

double estimate_at(const struct estimate_work *work, uint32_t drives, const char **bound)
{
	struct needs n = needs_of(work);
	const char *what;

	return (double)work->queries / slowest(&n, drives, bound ? bound : &what);
}

static void energy(const struct estimate_work *w, const struct needs *n, double seconds, struct estimate_energy out[3])
{
	const struct engine_counts *c = w->counts;
	double rows = (double)w->row_bytes_pooled, results = (double)w->result_bytes, flash = (double)c->flash_bytes, each = 1 / (double)w->queries;
	double pooling = rows / figures[POOLING].value, ssd = fmax(n->reads, flash / figures[SSD_HOST].value);

	out[0] = (struct estimate_energy){ .name = "DRAM only", .bytes_part = (rows + results) * figures[E_DRAM].value,
					   .device_part = w->table_bytes ? seconds * figures[P_DRAM].value * (double)w->table_bytes + (pooling + w->host_seconds) * figures[P_CORE].value : NAN };
	out[1] = (struct estimate_energy){ .name = "SSD + host", .bytes_part = flash * (figures[E_PCIE].value + figures[E_DRAM].value) + (rows + results) * figures[E_DRAM].value,
					   .device_part = ssd * figures[P_SSD].value + fmax(seconds - ssd, 0) * figures[P_SSD_IDLE].value +
							  (pooling + (double)c->flash_reads * figures[CORE_READ].value + w->host_seconds) * figures[P_CORE].value };
	out[2] = (struct estimate_energy){ .name = "SmartSSD",
					   .bytes_part = flash * figures[E_PCIE].value + n->ddr * figures[DDR].value * figures[E_DRAM].value + n->link_bytes * (figures[E_PCIE].value + figures[E_DRAM].value),
					   .device_part = seconds * figures[P_SMARTSSD].value + n->host * figures[P_CORE].value };
	for (int i = 0; i < 3; i++) {
		out[i].bytes_part *= each;
		out[i].device_part *= each;
		out[i].joules = out[i].bytes_part + out[i].device_part;
	}
}

void estimate_run(const struct estimate_work *work, struct estimate *out)
{
	struct needs n = needs_of(work);
	const char *bound;

	out->host_seconds = n.host;
	out->queries_per_second[0] = 0;
	out->bound[0] = "no drive";
	for (uint32_t drives = 1; drives <= ESTIMATE_MAX_DRIVES; drives++)
		out->queries_per_second[drives] = (double)work->queries / slowest(&n, drives, &out->bound[drives]);
	energy(work, &n, slowest(&n, 1, &bound), out->energy);
}
