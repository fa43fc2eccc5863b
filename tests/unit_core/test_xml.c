// SPDX-License-Identifier: BSD-2-Clause
/* The XML scanner: what it sees, and what it refuses with which words. */
#include "../../driver/core/xml.h"
#include "suite.h"

/* What the scanner reports, as text: "(name" opens, ")" closes. */
static int scan(const char *text, size_t bytes, char *out, size_t room, struct smartssd_why *why)
{
	struct xml *x = malloc(sizeof(*x));
	char *copy = memcpy(malloc(bytes ? bytes : 1), text, bytes); /* exact: AddressSanitizer sees one byte too many */
	size_t n = 0;
	int event;

	why->text[0] = 0;
	out[0] = 0;
	xml_init(x, copy, bytes, why);
	while ((event = xml_next(x)) > XML_END)
		n += snprintf(out + n, room - n, "%s%.*s", event == XML_OPEN ? "(" : ")",
			      event == XML_OPEN ? (int)x->open[x->depth - 1].n : 0, x->open[x->depth - 1].p);
	free(copy);
	free(x);
	return event;
}

static const struct {
	const char *text, *events;
} good[] = {
	{ "<a/>", "(a)" },
	{ "<a></a>", "(a)" },
	{ "<a ></a >", "(a)" },
	{ "\xef\xbb\xbf<?xml version='1.0'?>\n<a/>\n", "(a)" },
	{ "<a><b/><c><d/></c></a>", "(a(b)(c(d)))" },
	{ "<a>text &lt; more<b/>text</a>", "(a(b))" },
	{ "<!-- <x> - --><a><!----><!-- <b/> --></a><!-- - -->", "(a)" },
	{ "<a><![CDATA[<b></c>]]]]></a>", "(a)" },
	{ "<!DOCTYPE a SYSTEM \"a>b\" 'c>d'><a/>", "(a)" },
	{ "<a><?php <b> ?></a>", "(a)" },
	{ "<a x='1' y=\"2\" z = '3'/>", "(a)" },
	{ "<a x='\"' y=\"'>/\"/>", "(a)" },
	{ "<ns:a-b.c_1 \xc3\xa4='1'/>", "(ns:a-b.c_1)" },
};

START_TEST(accepts)
{
	struct smartssd_why why;
	char events[100];

	ck_assert_msg(scan(good[_i].text, strlen(good[_i].text), events, sizeof(events), &why) == XML_END, "%s: %s", good[_i].text, why.text);
	ck_assert_str_eq(events, good[_i].events);
}
END_TEST

static const struct {
	const char *text, *why;
	int err;
} bad[] = {
	{ "", "no root element" },
	{ " \t ", "no root element" },
	{ "<!-- only -->", "no root element" },
	{ "hello", "text outside" },
	{ "<a/>hello", "text outside" },
	{ "<a/><b/>", "second root" },
	{ "<", "a name is missing" },
	{ "<a", "a tag does not end" },
	{ "<a ", "a tag does not end" },
	{ "<a/", "a blank is missing" },
	{ "<a / >", "a name is missing" },
	{ "<1a/>", "a name is missing" },
	{ "< a/>", "a name is missing" },
	{ "<a>", "an element does not end" },
	{ "<a><b></a>", "closes nothing" },
	{ "<a></b>", "closes nothing" },
	{ "</a>", "closes nothing" },
	{ "<a></a", "closing tag does not end" },
	{ "<a></", "a name is missing" },
	{ "<a></a></a>", "closes nothing" },
	{ "<a x/>", "without a value" },
	{ "<a x=/>", "not in quotes" },
	{ "<a x=1/>", "not in quotes" },
	{ "<a x='1/>", "does not end" },
	{ "<a x='1\"/>", "does not end" },
	{ "<a x='1'y='2'/>", "a blank is missing" },
	{ "<a x='1' x='2'/>", "given twice" },
	{ "<a x='<'/>", "must not have" },
	{ "<a x='\x01'/>", "must not have" },
	{ "<a x='&'/>", "reference" },
	{ "<a x='&amp'/>", "reference" },
	{ "<a x='&bomb;'/>", "reference" },
	{ "<a x='&;'/>", "reference" },
	{ "<a x='&#;'/>", "reference" },
	{ "<a x='&#x;'/>", "reference" },
	{ "<a x='&#0;'/>", "reference" },
	{ "<a x='&#1f;'/>", "reference" },
	{ "<a x='&#xd800;'/>", "reference" },
	{ "<a x='&#x110000;'/>", "reference" },
	{ "<a x='&#4294967361;'/>", "reference" },
	{ "<a x='&#", "reference" },
	{ "<a><!-- -- --></a>", "inside of a comment" },
	{ "<a><!-- ", "comment does not end" },
	{ "<a><!-- --", "inside of a comment" },
	{ "<a><![CDATA[ ]]", "CDATA does not end" },
	{ "<![CDATA[]]><a/>", "CDATA outside" },
	{ "<?xml", "instruction does not end" },
	{ "<!", "unknown declaration" },
	{ "<!ELEMENT a><a/>", "unknown declaration" },
	{ "<!DOCTYPE a", "type does not end" },
	{ "<!DOCTYPE a '>", "type does not end" },
	{ "<a/><!DOCTYPE a>", "behind the root" },
	{ "<!DOCTYPE a [<!ENTITY b 'bomb'>]><a/>", "internal subset", -EOPNOTSUPP },
};

START_TEST(refuses)
{
	struct smartssd_why why;
	char events[100];
	int err = scan(bad[_i].text, strlen(bad[_i].text), events, sizeof(events), &why);

	ck_assert_msg(err == (bad[_i].err ? bad[_i].err : -EBADMSG), "%s: %d", bad[_i].text, err);
	ck_assert_msg(strstr(why.text, bad[_i].why), "%s: %s", bad[_i].text, why.text);
	ck_assert_msg(!strncmp(why.text, "EMBEDDED_METADATA, line 1: ", 27), "%s", why.text);
}
END_TEST

START_TEST(every_cut_of_a_good_text_is_refused)
{
	static const char text[] = "<?xml version='1.0'?><!-- c --><a x='&#65;'><![CDATA[]]><b y=\"1\" ></b><c/></a>";
	struct smartssd_why why;
	char events[100];

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		ck_assert_msg(scan(text, n, events, sizeof(events), &why) == -EBADMSG && why.text[0], "%.*s", (int)n, text);
}
END_TEST

START_TEST(zeros_may_follow_the_root)
{
	struct smartssd_why why;
	char events[100];

	ck_assert_int_eq(scan("<a/>\0\0\0", 7, events, sizeof(events), &why), XML_END);
	ck_assert_int_eq(scan("\0\0<a/>", 6, events, sizeof(events), &why), -EBADMSG);
	ck_assert_int_eq(scan("<a/>\0x", 6, events, sizeof(events), &why), -EBADMSG);
	ck_assert_int_eq(scan("<a/>\0<!---->", 12, events, sizeof(events), &why), -EBADMSG);
}
END_TEST

START_TEST(message_names_the_line)
{
	struct smartssd_why why;
	char events[100];

	ck_assert_int_eq(scan("<a>\n\n<b>\n</c></a>", 17, events, sizeof(events), &why), -EBADMSG);
	ck_assert_msg(strstr(why.text, "line 4: "), "%s", why.text);
}
END_TEST

START_TEST(depth_is_bounded)
{
	char text[(XML_MAX_DEPTH + 1) * 7 + 1] = "", events[400];
	struct smartssd_why why;

	for (int i = 0; i < XML_MAX_DEPTH; i++)
		strcat(text, "<a>");
	for (int i = 0; i < XML_MAX_DEPTH; i++)
		strcat(text, "</a>");
	ck_assert_int_eq(scan(text, strlen(text), events, sizeof(events), &why), XML_END);
	text[0] = 0;
	for (int i = 0; i <= XML_MAX_DEPTH; i++)
		strcat(text, "<a>");
	for (int i = 0; i <= XML_MAX_DEPTH; i++)
		strcat(text, "</a>");
	ck_assert_int_eq(scan(text, strlen(text), events, sizeof(events), &why), -EBADMSG);
	ck_assert_msg(strstr(why.text, "nested too deep"), "%s", why.text);
}
END_TEST

START_TEST(attributes_are_bounded)
{
	char text[1000], events[100];
	struct smartssd_why why;

	for (int more = 0; more < 2; more++) {
		size_t n = sprintf(text, "<a");

		for (int i = 0; i < XML_MAX_ATTRS + more; i++)
			n += sprintf(text + n, " x%d=''", i);
		n += sprintf(text + n, "/>");
		ck_assert_int_eq(scan(text, n, events, sizeof(events), &why), more ? -EBADMSG : XML_END);
	}
	ck_assert_msg(strstr(why.text, "too many attributes"), "%s", why.text);
}
END_TEST

static const struct {
	const char *raw, *decoded;
} values[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "&amp;&lt;&gt;&quot;&apos;", "&<>\"'" },
	{ "&amp;lt;", "&lt;" }, /* once, not twice */
	{ "&#65;&#x42;&#x63;", "ABc" },
	{ "&#9;&#xa;", "\t\n" },
	{ "a\tb\nc\rd", "a b c d" },
	{ "&#xe4;&#x20ac;&#x1F600;", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "\xc3\xa4", "\xc3\xa4" },
	{ "x;y", "x;y" },
};

static int attr(const char *raw, const char *name, char *out, size_t room)
{
	struct xml *x = malloc(sizeof(*x));
	struct smartssd_why why;
	char text[200];
	int n;

	snprintf(text, sizeof(text), "<a first='1' v=\"%s\" last='3'/>", raw);
	xml_init(x, text, strlen(text), &why);
	ck_assert_int_eq(xml_next(x), XML_OPEN);
	ck_assert(xml_is(x, "a") && !xml_is(x, "ab") && !xml_is(x, ""));
	n = xml_attr(x, name, out, room);
	free(x);
	return n;
}

START_TEST(values_are_decoded)
{
	char *out = malloc(40);

	ck_assert_int_eq(attr(values[_i].raw, "v", out, 40), strlen(values[_i].decoded));
	ck_assert_str_eq(out, values[_i].decoded);
	free(out);
}
END_TEST

START_TEST(value_that_does_not_fit_is_cut_and_says_so)
{
	char *out = malloc(4);

	ck_assert_int_eq(attr("abc", "v", out, 4), 3);
	ck_assert_str_eq(out, "abc");
	ck_assert_int_eq(attr("abcd", "v", out, 4), 4);
	ck_assert_str_eq(out, "abc");
	ck_assert_int_eq(attr("ab&#x20ac;", "v", out, 4), 5);
	free(out);
}
END_TEST

START_TEST(attributes_by_name)
{
	char out[10];

	ck_assert_int_eq(attr("2", "first", out, sizeof(out)), 1);
	ck_assert_str_eq(out, "1");
	ck_assert_int_eq(attr("2", "last", out, sizeof(out)), 1);
	ck_assert_str_eq(out, "3");
	ck_assert_int_eq(attr("2", "fir", out, sizeof(out)), -ENOENT);
	ck_assert_int_eq(attr("2", "firsts", out, sizeof(out)), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xml");
	TCase *tc = tcase_create("xml");

	tcase_add_loop_test(tc, accepts, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, refuses, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, every_cut_of_a_good_text_is_refused);
	tcase_add_test(tc, zeros_may_follow_the_root);
	tcase_add_test(tc, message_names_the_line);
	tcase_add_test(tc, depth_is_bounded);
	tcase_add_test(tc, attributes_are_bounded);
	tcase_add_loop_test(tc, values_are_decoded, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_test(tc, value_that_does_not_fit_is_cut_and_says_so);
	tcase_add_test(tc, attributes_by_name);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
