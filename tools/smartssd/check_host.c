// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>
#include "check_host.h"

/* gzopen() reads /proc/config.gz and a plain /boot/config-... alike. */
static enum answer find_option(const char *path, const char *option)
{
	gzFile f = gzopen(path, "rb");
	size_t len = strlen(option);
	char line[512];
	bool any = false;

	if (!f)
		return ANSWER_UNKNOWN;
	while (gzgets(f, line, sizeof(line))) {
		any |= !strncmp(line, "CONFIG_", 7);
		if (!strncmp(line, option, len) && line[len] == '=') {
			gzclose(f);
			return line[len + 1] == 'y' ? ANSWER_YES : ANSWER_NO;
		}
	}
	gzclose(f);
	return any ? ANSWER_NO : ANSWER_UNKNOWN;
}

static void add_ports(struct host *host, const char *upstream)
{
	char path[PATH_MAX];
	struct pci_function port;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", upstream);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d)) && host->nr_acs < MAX_ACS_PORTS) {
		bool known = false;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", upstream, e->d_name);
		/* Links such as "driver" or "subsystem" lead elsewhere. */
		if (e->d_type == DT_LNK || pci_resolve(path, &port) || strcmp(port.bdf, e->d_name))
			continue;
		for (unsigned i = 0; i < host->nr_acs; i++)
			known |= !strcmp(host->acs[i].bdf, port.bdf);
		if (known)
			continue;
		memcpy(host->acs[host->nr_acs].bdf, port.bdf, sizeof(port.bdf));
		host->acs[host->nr_acs].redirects = pci_acs_redirects(port.bdf);
		host->nr_acs++;
	}
	closedir(d);
}

void host_look(struct host *host)
{
	struct utsname u;

	memset(host, 0, sizeof(*host));
	host->p2pdma = ANSWER_UNKNOWN;
	if (!uname(&u))
		snprintf(host->release, sizeof(host->release), "%s", u.release);
	snprintf(host->config, sizeof(host->config), "/proc/config.gz");
	host->p2pdma = find_option(host->config, "CONFIG_PCI_P2PDMA");
	if (host->p2pdma == ANSWER_UNKNOWN) {
		snprintf(host->config, sizeof(host->config), "/boot/config-%s", host->release);
		host->p2pdma = find_option(host->config, "CONFIG_PCI_P2PDMA");
	}
	if (host->p2pdma == ANSWER_UNKNOWN)
		host->config[0] = '\0';
	host->module = !access("/sys/module/smartssd", F_OK);
	host->nr_fpga = pci_fpgas(&host->fpga);
	if (host->nr_fpga < 0)
		host->nr_fpga = 0;
	for (int i = 0; i < host->nr_fpga; i++)
		if (*host->fpga[i].upstream)
			add_ports(host, host->fpga[i].upstream);
}

void host_release(struct host *host)
{
	free(host->fpga);
	host->fpga = NULL;
	host->nr_fpga = 0;
}

bool host_unbound(const struct host *host)
{
	for (int i = 0; i < host->nr_fpga; i++)
		if (fpga_role(&host->fpga[i]) == FPGA_USER && strcmp(host->fpga[i].driver, "smartssd"))
			return true;
	return false;
}

static const char *p2pdma_remedy(const struct host *host)
{
	switch (host->p2pdma) {
	case ANSWER_YES:
		return "";
	case ANSWER_NO:
		return "a card works, but its data goes through host memory; boot a kernel built with CONFIG_PCI_P2PDMA=y";
	default:
		return "neither /proc/config.gz nor /boot/config-* of this kernel is readable; the driver's own answer counts";
	}
}

void host_print(const struct host *host)
{
	static const char *const answers[] = { "no", "yes", "unknown" };
	const char *remedy = p2pdma_remedy(host);
	char text[256];

	printf("host\n  kernel        %s\n  peer DMA      CONFIG_PCI_P2PDMA: %s%s%s\n", host->release, answers[host->p2pdma],
	       *host->config ? ", says " : "", host->config);
	if (*remedy)
		printf("                %s\n", remedy);
	printf("  driver        smartssd.ko %s\n", host->module ? "is loaded" : "is not loaded");
	for (int i = 0; i < host->nr_fpga; i++) {
		const struct pci_function *f = &host->fpga[i];

		fpga_remedy(f, text, sizeof(text));
		printf("  FPGA          %s %s, driver %s%s%s\n", f->bdf, fpga_role_name(fpga_role(f)), *f->driver ? f->driver : "none",
		       *f->node ? ", /dev/" : "", f->node);
		if (*text)
			printf("                %s\n", text);
	}
	if (!host->nr_fpga)
		puts("  FPGA          none");
	for (unsigned i = 0; i < host->nr_acs; i++) {
		const struct acs_port *p = &host->acs[i];

		printf("  ACS           port %s: ", p->bdf);
		if (p->redirects == 1)
			printf("sends peer requests up to the root complex; boot with pci=disable_acs_redir=%s\n", p->bdf);
		else if (p->redirects == -EACCES)
			puts("not readable, needs root");
		else
			puts(p->redirects ? "none" : "leaves peer requests in the switch");
	}
}

void host_json(const struct host *host, struct json *j)
{
	char text[256];

	json_open(j, "host", '{');
	json_text(j, "kernel", host->release);
	if (host->p2pdma == ANSWER_UNKNOWN)
		json_text(j, "config_pci_p2pdma", NULL);
	else
		json_bool(j, "config_pci_p2pdma", host->p2pdma == ANSWER_YES);
	json_text(j, "config_pci_p2pdma_from", *host->config ? host->config : NULL);
	json_bool(j, "module_loaded", host->module);
	json_open(j, "fpgas", '[');
	for (int i = 0; i < host->nr_fpga; i++) {
		fpga_remedy(&host->fpga[i], text, sizeof(text));
		json_open(j, NULL, '{');
		json_text(j, "pci", host->fpga[i].bdf);
		json_text(j, "role", fpga_role_name(fpga_role(&host->fpga[i])));
		json_text(j, "driver", *host->fpga[i].driver ? host->fpga[i].driver : NULL);
		json_text(j, "remedy", *text ? text : NULL);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "acs", '[');
	for (unsigned i = 0; i < host->nr_acs; i++) {
		json_open(j, NULL, '{');
		json_text(j, "port", host->acs[i].bdf);
		if (host->acs[i].redirects >= 0)
			json_bool(j, "redirects", host->acs[i].redirects);
		else
			json_text(j, "redirects", NULL);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}
