// SPDX-License-Identifier: Apache-2.0
#include "html.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void html_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

void html_count(FILE *out, uint64_t n)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) fputc(',', out);
        fputc(digits[i], out);
    }
}

void html_number(FILE *out, double value, const char *unit)
{
    const bool whole = value == floor(value) && fabs(value) < 1e9;
    if (isnan(value))
        fputs("–", out);
    else
        fprintf(out, whole ? "%.0f" : "%.4g", value);
    if (isnan(value) || !unit || !*unit || strcmp(unit, "1") == 0) return;
    fputc(' ', out);
    html_text(out, unit);
}

void html_seconds(FILE *out, double seconds)
{
    if (seconds < 1e-3)
        fprintf(out, "%.3g µs", 1e6 * seconds);
    else if (seconds < 1)
        fprintf(out, "%.3g ms", 1e3 * seconds);
    else if (seconds < 120)
        fprintf(out, "%.3g s", seconds);
    else if (seconds < 7200)
        fprintf(out, "%.1f min", seconds / 60);
    else
        fprintf(out, "%.1f h", seconds / 3600);
}

void html_fact(FILE *out, const char *name)
{
    fputs("<div><dt>", out);
    html_text(out, name);
    fputs("</dt> <dd>", out);
}

void html_fact_end(FILE *out)
{
    fputs("</dd></div>\n", out);
}

// Black on white, so that it can be printed; what is wider than the window scrolls by itself.
static const char style[] =
    "body{margin:0 auto;padding:0 12px 40px;max-width:1240px;color:#000;background:#fff;"
    "font:15px/1.45 sans-serif}\n"
    "h1{font-size:22px;margin:16px 0 4px}h2{font-size:18px;margin:32px 0 8px;border-top:1px solid "
    "#000;padding-top:8px}h3{font-size:15px;margin:16px 0 4px}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:8px 0}"
    "dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;font-size:13px}th,td{padding:2px 8px;text-align:right;"
    "white-space:nowrap}th:first-child,td:first-child{text-align:left}"
    "thead th{border-bottom:1px solid #000}\n"
    ".wide{overflow-x:auto;max-width:100%}\n"
    ".plots,.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),"
    "1fr));gap:18px;align-items:start}\n"
    ".large{grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr))}.wide{margin:10px "
    "0}\n"
    "figure{margin:0;min-width:0}figure.whole{max-width:640px;margin-top:14px}svg{max-width:100%;"
    "height:auto;display:block}figcaption{font-size:13px;overflow-wrap:anywhere}"
    ".protocol{color:#333;font-size:12px}\n"
    ".name{font-size:12px;margin-top:4px}"
    ".card{border:1px solid #999;padding:8px;min-width:0}.card code{font-size:11px}"
    "dl>div{display:contents}.values{font-size:12px;line-height:1.3;columns:2;display:block}"
    ".values>div{display:block;break-inside:avoid}.values dt,.values dd{display:inline;"
    "margin:0 5px 0 0;overflow-wrap:normal}\n"
    "code,pre{overflow-wrap:anywhere;white-space:pre-wrap;font:12px/1.4 monospace}"
    "summary{cursor:pointer}\n"
    ".matrix td{padding:3px 4px;text-align:center}.matrix th{font-weight:normal;text-align:left}"
    ".matrix thead th{vertical-align:bottom;writing-mode:vertical-rl;transform:rotate(180deg);"
    "border:0;padding:4px 2px}\n"
    "@media(max-width:600px){dl{grid-template-columns:1fr}dd{margin-left:12px}}\n"
    "@media print{details{display:none}figure,.card{break-inside:avoid}}\n";

void html_begin(FILE *out, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'\">\n<title>",
          out);
    html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    html_text(out, title);
    fputs("</h1>\n", out);
}

void html_end(FILE *out)
{
    fputs("</body>\n</html>\n", out);
}

void html_section(FILE *out, const char *id, const char *heading)
{
    fprintf(out, "<section id=\"%s\">\n<h2>%s</h2>\n", id, heading);
}

void html_section_end(FILE *out)
{
    fputs("</section>\n", out);
}
