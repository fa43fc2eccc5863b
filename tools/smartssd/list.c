// SPDX-License-Identifier: BSD-2-Clause
/* smartssd list: NVMe devices, and the FPGA that sits with each of them behind one switch. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "json.h"
#include "nvme.h"
#include "options.h"

static void size_text(uint64_t bytes, char *out, size_t room)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double v = bytes;
	unsigned u = 0;

	while (v >= 999.5 && u < 5) {
		v /= 1000;
		u++;
	}
	snprintf(out, room, u ? "%.2f %s" : "%.0f %s", v, units[u]);
}

static void print_fpga(const char *indent, const struct pci_function *f)
{
	char remedy[256];

	fpga_remedy(f, remedy, sizeof(remedy));
	printf("%sFPGA       %s, %04x:%04x (%s), driver %s", indent, f->bdf, f->vendor, f->device, fpga_role_name(fpga_role(f)),
	       *f->driver ? f->driver : "none");
	if (*f->node)
		printf(", /dev/%s", f->node);
	if (*f->upstream)
		printf(", switch %s", f->upstream);
	putchar('\n');
	if (*remedy)
		printf("%s           %s\n", indent, remedy);
}

static void print_health(const struct nvme_health *h)
{
	char warnings[256];

	printf("  health     ");
	if (h->error == -EACCES) {
		puts("needs root: run 'sudo smartssd list'");
		return;
	}
	if (h->error) {
		printf("not readable: %s\n", strerror(-h->error));
		return;
	}
	nvme_warning_text(h->warnings, warnings, sizeof(warnings));
	printf("%s%s: %d C, spare %u %% (threshold %u %%), %u %% used, %llu media errors\n", *warnings ? "WARNING, " : "ok", warnings,
	       h->celsius, h->spare, h->spare_threshold, h->used, (unsigned long long)h->media_errors);
}

static void print_text(const struct nvme_controller *nvme, int nr_nvme, const struct pci_function *fpga, int nr_fpga)
{
	char size[32];
	bool alone = true;

	if (!nr_nvme)
		puts("No NVMe device here (nothing in /sys/class/nvme).");
	for (int i = 0; i < nr_nvme; i++) {
		const struct nvme_controller *c = &nvme[i];
		bool paired = false;

		printf("%s  %s, serial %s, firmware %s", c->name, *c->model ? c->model : "(no model)", *c->serial ? c->serial : "-",
		       *c->firmware ? c->firmware : "-");
		if (*c->pci.bdf)
			printf(", %s", c->pci.bdf);
		else
			printf(", %s", *c->transport ? c->transport : "not PCI");
		if (*c->state && strcmp(c->state, "live"))
			printf(", state %s", c->state);
		putchar('\n');
		for (unsigned n = 0; n < c->nr_namespaces; n++) {
			const struct nvme_namespace *ns = &c->ns[n];

			size_text(ns->bytes, size, sizeof(size));
			printf("  namespace  %s, id %u, %s, LBA %u bytes", ns->name, ns->nsid, size, ns->lba_bytes);
			if (ns->metadata_bytes > 0)
				printf(" + %d metadata", ns->metadata_bytes);
			putchar('\n');
		}
		if (!c->nr_namespaces)
			puts("  namespace  none");
		print_health(&c->health);
		for (int f = 0; f < nr_fpga; f++) {
			if (pci_same_switch(&c->pci, &fpga[f])) {
				print_fpga("  ", &fpga[f]);
				paired = true;
			}
		}
		if (!paired)
			puts("  FPGA       none behind the same switch");
	}
	for (int f = 0; f < nr_fpga; f++) {
		bool paired = false;

		for (int i = 0; i < nr_nvme; i++)
			paired |= pci_same_switch(&nvme[i].pci, &fpga[f]);
		if (paired)
			continue;
		if (alone)
			puts("FPGAs with no NVMe device behind the same switch:");
		alone = false;
		print_fpga("  ", &fpga[f]);
	}
	if (!nr_fpga)
		puts("No SmartSSD FPGA here; the embedded card is used instead (device \"emu:\").");
}

static void json_fpga(struct json *j, const struct pci_function *f, const char *ssd)
{
	char remedy[256];

	fpga_remedy(f, remedy, sizeof(remedy));
	json_open(j, NULL, '{');
	json_text(j, "pci", f->bdf);
	json_uint(j, "vendor", f->vendor);
	json_uint(j, "device_id", f->device);
	json_text(j, "role", fpga_role_name(fpga_role(f)));
	json_text(j, "driver", *f->driver ? f->driver : NULL);
	json_text(j, "node", *f->node ? f->node : NULL);
	json_text(j, "switch", *f->upstream ? f->upstream : NULL);
	json_text(j, "ssd", ssd);
	json_text(j, "remedy", *remedy ? remedy : NULL);
	json_close(j, '}');
}

static void json_health(struct json *j, const struct nvme_health *h)
{
	char warnings[256];

	json_open(j, "health", '{');
	json_text(j, "error", h->error == -EACCES ? "needs root" : h->error ? strerror(-h->error) : NULL);
	if (!h->error) {
		nvme_warning_text(h->warnings, warnings, sizeof(warnings));
		json_uint(j, "critical_warning", h->warnings);
		json_text(j, "critical_warning_text", *warnings ? warnings : NULL);
		json_int(j, "temperature_celsius", h->celsius);
		json_uint(j, "available_spare_percent", h->spare);
		json_uint(j, "spare_threshold_percent", h->spare_threshold);
		json_uint(j, "used_percent", h->used);
		json_uint(j, "media_errors", h->media_errors);
	}
	json_close(j, '}');
}

static void print_json(const struct nvme_controller *nvme, int nr_nvme, const struct pci_function *fpga, int nr_fpga)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_open(&j, "nvme", '[');
	for (int i = 0; i < nr_nvme; i++) {
		const struct nvme_controller *c = &nvme[i];

		json_open(&j, NULL, '{');
		json_text(&j, "name", c->name);
		json_text(&j, "model", c->model);
		json_text(&j, "serial", c->serial);
		json_text(&j, "firmware", c->firmware);
		json_text(&j, "state", c->state);
		json_text(&j, "transport", c->transport);
		json_text(&j, "pci", *c->pci.bdf ? c->pci.bdf : NULL);
		json_text(&j, "switch", *c->pci.upstream ? c->pci.upstream : NULL);
		json_open(&j, "namespaces", '[');
		for (unsigned n = 0; n < c->nr_namespaces; n++) {
			const struct nvme_namespace *ns = &c->ns[n];

			json_open(&j, NULL, '{');
			json_text(&j, "name", ns->name);
			json_uint(&j, "nsid", ns->nsid);
			json_uint(&j, "bytes", ns->bytes);
			json_uint(&j, "lba_bytes", ns->lba_bytes);
			if (ns->metadata_bytes >= 0)
				json_uint(&j, "metadata_bytes", ns->metadata_bytes);
			json_close(&j, '}');
		}
		json_close(&j, ']');
		json_health(&j, &c->health);
		json_open(&j, "fpga", '[');
		for (int f = 0; f < nr_fpga; f++)
			if (pci_same_switch(&c->pci, &fpga[f]))
				json_text(&j, NULL, fpga[f].bdf);
		json_close(&j, ']');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "fpgas", '[');
	for (int f = 0; f < nr_fpga; f++) {
		const char *ssd = NULL;

		for (int i = 0; i < nr_nvme && !ssd; i++)
			if (pci_same_switch(&nvme[i].pci, &fpga[f]))
				ssd = nvme[i].name;
		json_fpga(&j, &fpga[f], ssd);
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

int cmd_list(int argc, char **argv)
{
	bool as_json = false;
	const struct option_spec specs[] = {
		{ "json", OPTION_FLAG, &as_json, .help = "print JSON" },
	};
	const struct option_table table = { "list", "", "NVMe devices of this host with their health, and the FPGA paired with each.", specs, 1 };
	struct nvme_controller *nvme = NULL;
	struct pci_function *fpga = NULL;
	int nr_nvme, nr_fpga, ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	nr_nvme = nvme_controllers(&nvme);
	nr_fpga = pci_fpgas(&fpga);
	ret = nr_nvme < 0 ? nr_nvme : nr_fpga < 0 ? nr_fpga : 0;
	if (ret)
		complain("list", "%s: %s; is sysfs mounted?", nr_nvme < 0 ? "/sys/class/nvme" : "/sys/bus/pci/devices", strerror(-ret));
	else if (as_json)
		print_json(nvme, nr_nvme, fpga, nr_fpga);
	else
		print_text(nvme, nr_nvme, fpga, nr_fpga);
	free(nvme);
	free(fpga);
	return ret ? 1 : 0;
}
