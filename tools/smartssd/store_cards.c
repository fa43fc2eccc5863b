// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "nvme.h"
#include "operator.h"
#include "options.h"
#include "store_cards.h"

/* ---- which card's drive a volume is on ---- */

/* "nvme0n1": the whole disk that the device is, or is a partition of; "": none that sysfs knows. */
static void disk_of(dev_t dev, char *out, size_t bytes)
{
	char link[64], path[PATH_MAX], *name;

	out[0] = '\0';
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	if (!realpath(link, path))
		return;
	if (sysfs_number(0, "%s/partition", path))
		*strrchr(path, '/') = '\0';
	name = strrchr(path, '/');
	if (name)
		snprintf(out, bytes, "%s", name + 1);
}

static bool controller_has(const struct nvme_controller *c, const char *disk)
{
	for (unsigned i = 0; i < c->nr_namespaces; i++)
		if (!strcmp(c->ns[i].name, disk))
			return true;
	return false;
}

struct machine {
	struct nvme_controller *nvme;
	struct pci_function *fpga;
	int nr_nvme, nr_fpga;
};

static void look_at_machine(struct machine *m)
{
	/* Without sysfs, nothing is known to be a card. */
	m->nr_nvme = nvme_controllers(&m->nvme);
	m->nr_fpga = pci_fpgas(&m->fpga);
}

/* "/dev/smartssdN", or "emu:". */
static void find_card(const struct machine *m, const char *volume, char *uri, size_t bytes)
{
	struct stat st;
	char disk[64] = "";

	if (!stat(volume, &st))
		disk_of(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, disk, sizeof(disk));
	snprintf(uri, bytes, "emu:");
	for (int i = 0; i < m->nr_nvme && *disk; i++) {
		if (!controller_has(&m->nvme[i], disk))
			continue;
		for (int f = 0; f < m->nr_fpga; f++)
			if (*m->fpga[f].node && pci_same_switch(&m->nvme[i].pci, &m->fpga[f]))
				snprintf(uri, bytes, "/dev/%s", m->fpga[f].node);
	}
}

static int find_cards(struct store *s, char **uris)
{
	struct machine m = { 0 };
	char uri[64];
	int ret = 0;

	look_at_machine(&m);
	for (uint32_t i = 0; i < store_volumes(s) && !ret; i++) {
		find_card(&m, volume_path(store_volume(s, i)), uri, sizeof(uri));
		uris[i] = strdup(uri);
		ret = uris[i] ? 0 : -ENOMEM;
	}
	free(m.nvme);
	free(m.fpga);
	return ret;
}

/* ---- what the user says ---- */

static bool begins_uri(const char *text)
{
	return !strncmp(text, "emu:", 4) || *text == '/';
}

/* An embedded card's URI may have commas of its own: a new one begins where a card's name does. */
static int split(const char *verb, const char *devices, uint32_t volumes, char **uris, uint32_t *nr)
{
	for (const char *at = devices;; at++) {
		const char *end = at;

		while ((end = strchr(end, ',')) && !begins_uri(end + 1))
			end++;
		if (*nr == volumes)
			break;
		uris[*nr] = strndup(at, end ? (size_t)(end - at) : strlen(at));
		if (!uris[(*nr)++])
			return -ENOMEM;
		if (!end)
			return *nr == 1 || *nr == volumes ? 0 : (complain(verb, "--device: %u cards for %u volumes: name one for each, in the order of --store, or one for all", *nr, volumes), -EINVAL);
		at = end;
	}
	complain(verb, "--device: more cards than the %u volume%s of the store: name one for each, in the order of --store, or one for all", volumes, volumes == 1 ? "" : "s");
	return -EINVAL;
}

/* ---- opening ---- */

static int open_card(const char *verb, const char *uri, struct store_cards *c, struct smartssd_device **out)
{
	struct smartssd_error err = { "" };
	struct smartssd_query q;
	int ret;

	/* Each "emu:" is a card of its own. */
	for (uint32_t i = 0; i < c->nr_opened && *uri == '/'; i++)
		if (!strcmp(smartssd_uri(c->opened[i]), uri)) {
			*out = c->opened[i];
			return 0;
		}
	ret = smartssd_open(uri, out, &err);
	if (ret) {
		complain(verb, "%s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	c->opened[c->nr_opened++] = *out;
	ret = card_kernel(verb, *out, "embedding_bag") ?: card_kernel(verb, *out, "row_copy");
	if (!ret && !smartssd_query(*out, &q))
		c->emulated |= !!(q.features & SMARTSSD_FEATURE_EMULATED);
	return ret;
}

/* How data of the volume gets to its card, which a file of it tells. */
static int ask_path(struct store *s, uint32_t volume, const struct store_table *tables, uint32_t nr, struct store_cards *c, struct smartssd_error *err)
{
	struct smartssd_query q;
	int ret;

	for (uint32_t i = 0; i < nr; i++) {
		uint32_t shard = (volume + c->volumes - tables[i].volume) % c->volumes;
		struct smartssd_file file;
		struct table *t;

		if (shard >= tables[i].shards)
			continue;
		ret = table_open(s, tables[i].name, &t, err);
		if (ret == -ENOENT) /* removed since */
			continue;
		if (ret)
			return ret;
		ret = smartssd_file_register(c->device[volume], table_rows(t, shard)->fd, &file);
		table_close(t);
		if (ret) {
			snprintf(err->text, sizeof(err->text), "%s takes no files of %s: %s", smartssd_uri(c->device[volume]), volume_path(store_volume(s, volume)), strerror(-ret));
			return ret;
		}
		c->peer_reason[volume] = file.peer_reason;
		smartssd_file_unregister(c->device[volume], file.file);
		return 0;
	}
	/* Nothing is on it: what the card says of its drive has to do. */
	if (!smartssd_query(c->device[volume], &q))
		c->peer_reason[volume] = q.peer_reason;
	return 0;
}

static int ask_paths(const char *verb, struct store *s, struct store_cards *c)
{
	struct smartssd_error err = { "" };
	struct store_table *tables;
	uint32_t nr;
	int ret = store_list(s, &tables, &nr, &err);

	if (!ret) {
		for (uint32_t v = 0; v < c->volumes && !ret; v++)
			ret = ask_path(s, v, tables, nr, c, &err);
		free(tables);
	}
	if (ret)
		complain(verb, "%s", *err.text ? err.text : strerror(-ret));
	return ret ? 1 : 0;
}

int store_cards_open(const char *verb, struct store *s, const char *devices, struct store_cards *out)
{
	const char *named = devices ? devices : getenv("SMARTSSD_DEVICE");
	char *uris[STORE_MAX_VOLUMES] = { NULL };
	uint32_t nr = 0;
	int ret;

	*out = (struct store_cards){ .volumes = store_volumes(s) };
	if (named && *named) {
		ret = split(verb, named, out->volumes, uris, &nr);
	} else {
		nr = out->volumes;
		ret = find_cards(s, uris);
	}
	if (ret == -ENOMEM)
		complain(verb, "out of memory");
	ret = ret == -EINVAL ? 2 : ret ? 1 : 0;
	for (uint32_t v = 0; v < out->volumes && !ret; v++) {
		if (v < nr)
			ret = open_card(verb, uris[v], out, &out->device[v]);
		else
			out->device[v] = out->device[0];
	}
	for (uint32_t i = 0; i < STORE_MAX_VOLUMES; i++)
		free(uris[i]);
	if (!ret)
		ret = ask_paths(verb, s, out);
	if (ret)
		store_cards_close(out);
	return ret;
}

void store_cards_close(struct store_cards *c)
{
	for (uint32_t i = 0; i < c->nr_opened; i++)
		smartssd_close(c->opened[i]);
	memset(c, 0, sizeof(*c));
}

/* ---- reports ---- */

void store_cards_text(struct store *s, const struct store_cards *c, uint64_t lost, FILE *to)
{
	for (uint32_t v = 0; v < c->volumes; v++) {
		struct smartssd_query q = { 0 };

		smartssd_query(c->device[v], &q);
		fprintf(to, "  volume %-6u %s on %s, ", v, volume_path(store_volume(s, v)), smartssd_uri(c->device[v]));
		if (lost >> v & 1)
			fputs("LOST: its rows were read and pooled by the host\n", to);
		else if (c->peer_reason[v] == SMARTSSD_PEER_OK)
			fprintf(to, "peer to peer: SSD -> card%s\n", q.features & SMARTSSD_FEATURE_EMULATED ? " (emulated)" : "");
		else
			fprintf(to, "through host memory: %s\n", smartssd_peer_reason_text(c->peer_reason[v]));
	}
}

void store_cards_json(struct store *s, const struct store_cards *c, uint64_t lost, struct json *j)
{
	json_open(j, "volumes", '[');
	for (uint32_t v = 0; v < c->volumes; v++) {
		json_open(j, NULL, '{');
		json_text(j, "store", volume_path(store_volume(s, v)));
		json_text(j, "device", smartssd_uri(c->device[v]));
		json_text(j, "path", c->peer_reason[v] == SMARTSSD_PEER_OK ? "peer" : "bounce");
		json_text(j, "peer_reason", smartssd_peer_reason_name(c->peer_reason[v]));
		json_bool(j, "lost", lost >> v & 1);
		json_close(j, '}');
	}
	json_close(j, ']');
}
