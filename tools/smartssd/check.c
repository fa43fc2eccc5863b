// SPDX-License-Identifier: BSD-2-Clause
/* smartssd check: does each card's data go peer to peer, and if not, why not and what to do. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../runtime/libsmartssd.h"
#include "check_host.h"
#include "commands.h"
#include "options.h"
#include "text.h"

#define MAX_CARDS 64

static const char *shell_name(uint32_t shell)
{
	switch (shell) {
	case SMARTSSD_SHELL_SMARTSSD:
		return "SmartSSD (this driver was never run on the hardware)";
	case SMARTSSD_SHELL_IVSHMEM:
		return "emulated card behind PCI (QEMU)";
	case SMARTSSD_SHELL_EMBEDDED:
		return "emulated card inside of this process";
	}
	return "unknown kind of card";
}

static const char *cu_state_name(uint32_t state)
{
	static const char *const names[] = { "idle", "busy", "hung", "crashed" };

	return state < 4 ? names[state] : "unknown";
}

struct card_state {
	const char *uri;
	int error; /* of opening or asking it; why is in @why */
	struct smartssd_error why;
	struct smartssd_query query;
	struct smartssd_cu_info cu[SMARTSSD_MAX_CUS];
	bool fine;
};

static void ask_card(struct card_state *c)
{
	struct smartssd_device *dev;
	uint32_t i;

	c->error = smartssd_open(c->uri, &dev, &c->why);
	if (c->error)
		return;
	c->error = smartssd_query(dev, &c->query);
	for (i = 0; !c->error && i < c->query.nr_cus && i < SMARTSSD_MAX_CUS; i++)
		c->error = smartssd_cu_info(dev, i, &c->cu[i]);
	if (c->error)
		snprintf(c->why.text, sizeof(c->why.text), "%s does not answer: %s", c->uri, strerror(-c->error));
	smartssd_close(dev);
	if (c->error)
		return;
	c->fine = c->query.peer_reason == SMARTSSD_PEER_OK;
	for (i = 0; i < c->query.nr_cus; i++)
		c->fine &= c->cu[i].state == SMARTSSD_CU_IDLE || c->cu[i].state == SMARTSSD_CU_BUSY;
}

static void print_card(const struct card_state *c)
{
	const struct smartssd_query *q = &c->query;
	const char *remedy = smartssd_peer_reason_remedy(q->peer_reason);
	char uuid[37];

	printf("%s\n", c->uri);
	if (c->error) {
		printf("  error         %s\n", c->why.text);
		return;
	}
	printf("  card          %s", shell_name(q->shell));
	if (q->pci != 0xffffffff)
		printf(", %04x:%02x:%02x.%x", q->pci >> 16, q->pci >> 8 & 0xff, q->pci >> 3 & 0x1f, q->pci & 7);
	printf("\n  memory        %llu MiB, %llu MiB free\n", (unsigned long long)(q->ddr_bytes >> 20),
	       (unsigned long long)(q->ddr_free >> 20));
	if (q->peer_reason == SMARTSSD_PEER_OK)
		printf("  peer DMA      works%s%.32s%s\n", *q->ssd ? ": data of " : "", (const char *)q->ssd,
		       *q->ssd ? " goes straight into card memory" : "");
	else
		printf("  peer DMA      NO, data goes through host memory: %s\n", smartssd_peer_reason_text(q->peer_reason));
	if (q->peer_reason != SMARTSSD_PEER_OK && *remedy)
		printf("                %s\n", remedy);
	printf("  mapped BOs    %s\n", q->features & SMARTSSD_FEATURE_USER_PEER ?
						"take plain pread(O_DIRECT) peer to peer" :
						"no plain pread(O_DIRECT) peer to peer (needs the driver on Linux 6.2 or newer); READ commands do the same");
	uuid_text(q->uuid, uuid);
	if (q->nr_cus)
		printf("  xclbin        %s, %u compute units\n", uuid, q->nr_cus);
	else
		puts("  xclbin        none loaded; the operators load kernels.xclbin when they need it");
	for (uint32_t i = 0; i < q->nr_cus; i++) {
		printf("  CU %-2u         %.64s: %s, %llu run%s\n", i, (const char *)c->cu[i].name, cu_state_name(c->cu[i].state),
		       (unsigned long long)c->cu[i].runs, c->cu[i].runs == 1 ? "" : "s");
		if (c->cu[i].state == SMARTSSD_CU_HUNG || c->cu[i].state == SMARTSSD_CU_CRASHED)
			printf("                bring it back: 'smartssd reset %u --device %s', or 'smartssd xclbin load' for all\n", i, c->uri);
	}
}

static void json_card(const struct card_state *c, struct json *j)
{
	const struct smartssd_query *q = &c->query;
	const char *remedy = smartssd_peer_reason_remedy(q->peer_reason);
	char text[40];

	json_open(j, NULL, '{');
	json_text(j, "device", c->uri);
	json_bool(j, "fine", c->fine);
	json_text(j, "error", c->error ? c->why.text : NULL);
	if (c->error) {
		json_close(j, '}');
		return;
	}
	json_text(j, "card", shell_name(q->shell));
	json_bool(j, "emulated", q->features & SMARTSSD_FEATURE_EMULATED);
	json_bool(j, "embedded", q->features & SMARTSSD_FEATURE_EMBEDDED);
	json_uint(j, "memory_bytes", q->ddr_bytes);
	json_uint(j, "memory_free_bytes", q->ddr_free);
	snprintf(text, sizeof(text), "%.32s", (const char *)q->ssd);
	json_text(j, "ssd", *text ? text : NULL);
	json_open(j, "peer", '{');
	json_bool(j, "works", q->peer_reason == SMARTSSD_PEER_OK);
	json_text(j, "reason", smartssd_peer_reason_name(q->peer_reason));
	json_text(j, "cause", q->peer_reason == SMARTSSD_PEER_OK ? NULL : smartssd_peer_reason_text(q->peer_reason));
	json_text(j, "remedy", q->peer_reason != SMARTSSD_PEER_OK && *remedy ? remedy : NULL);
	json_close(j, '}');
	json_bool(j, "user_peer", q->features & SMARTSSD_FEATURE_USER_PEER);
	uuid_text(q->uuid, text);
	json_text(j, "xclbin", q->nr_cus ? text : NULL);
	json_open(j, "cus", '[');
	for (uint32_t i = 0; i < q->nr_cus; i++) {
		char name[SMARTSSD_NAME_LEN + 1];

		snprintf(name, sizeof(name), "%.64s", (const char *)c->cu[i].name);
		json_open(j, NULL, '{');
		json_text(j, "name", name);
		json_text(j, "state", cu_state_name(c->cu[i].state));
		json_uint(j, "runs", c->cu[i].runs);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

static int is_node(const struct dirent *e)
{
	unsigned number;
	int n = -1;

	return sscanf(e->d_name, "smartssd%u%n", &number, &n) == 1 && n > 0 && !e->d_name[n];
}

/* The cards named, else all nodes in /dev, else the embedded one. The strings of nodes are the caller's. */
static unsigned find_cards(char **names, unsigned nr, char **out, bool *named)
{
	struct dirent **nodes;
	unsigned found = 0;
	int n;

	*named = nr > 0;
	for (unsigned i = 0; i < nr && found < MAX_CARDS; i++)
		out[found++] = strdup(names[i]);
	if (nr)
		return found;
	n = scandir("/dev", &nodes, is_node, versionsort);
	for (int i = 0; i < n; i++) {
		if (found < MAX_CARDS && asprintf(&out[found], "/dev/%s", nodes[i]->d_name) > 0)
			found++;
		free(nodes[i]);
	}
	if (n >= 0)
		free(nodes);
	if (!found)
		out[found++] = strdup("emu:");
	return found;
}

int cmd_check(int argc, char **argv)
{
	bool as_json = false, fine = true, named;
	const struct option_spec specs[] = {
		{ "json", OPTION_FLAG, &as_json, .help = "print JSON" },
	};
	const struct option_table table = {
		"check", "[DEVICE...]",
		"Say for each card whether data goes peer to peer from the SSD, and if not, why not and what to do.\n"
		"DEVICE: /dev/smartssdN or emu:...; default: all of /dev/smartssd*, else the embedded card. Exit status 0: all is fine.",
		specs, 1
	};
	struct json j = { .out = stdout };
	char *uris[MAX_CARDS];
	struct card_state *card;
	struct host host;
	unsigned nr;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	nr = find_cards(argv + ret, argc - ret, uris, &named);
	host_look(&host);
	if (as_json) {
		json_open(&j, NULL, '{');
		json_open(&j, "cards", '[');
	} else if (!named && !strcmp(uris[0], "emu:")) {
		puts("No /dev/smartssd*: what follows is about the embedded card.");
	}
	for (unsigned i = 0; i < nr; i++) {
		card = calloc(1, sizeof(*card));
		if (!card || !uris[i]) {
			complain("check", "out of memory");
			return 1;
		}
		card->uri = uris[i];
		ask_card(card);
		fine &= card->fine;
		if (as_json)
			json_card(card, &j);
		else
			print_card(card);
		free(card);
		free(uris[i]);
	}
	/* A real card that our driver does not have is not fine, unless the question was about certain cards only. */
	if (!named && host_unbound(&host))
		fine = false;
	if (as_json) {
		json_close(&j, ']');
		host_json(&host, &j);
		json_bool(&j, "fine", fine);
		json_close(&j, '}');
	} else {
		host_print(&host);
		puts(fine ? "All is fine." : "Not all is fine: see above.");
	}
	host_release(&host);
	return fine ? 0 : 1;
}
