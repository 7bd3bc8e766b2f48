// One page that needs nothing from outside.
#include <fmt/format.h>

#include "results/paper_table.h"

namespace bitwright::results {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

constexpr const char* kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #d0d0d0}"
    "th{border-bottom:2px solid #1a1a1a}td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}"
    ".within{color:#00634b}.above,.below{color:#a03c00}.none{color:#5a5a5a}"
    "code{font-size:.85em;overflow-wrap:anywhere}li{margin:.2rem 0}"
    ".wide{overflow-x:auto}";

std::string cell(const std::string& text, const std::string& kind = "") {
  return fmt::format("<td{}>{}</td>", kind.empty() ? "" : " class=\"" + kind + "\"", text);
}

std::string with_sign(std::string text) {
  if (const auto at = text.find("+-"); at != std::string::npos) text.replace(at, 2, "&plusmn;");
  return text;
}

std::string table_row(const PaperTable& table, const TableCell& c) {
  const std::string verdict = c.verdict();
  const std::string kind =
      verdict == "within" || verdict == "above" || verdict == "below" ? verdict : "none";
  return "<tr>" + cell(escaped(c.row)) + cell(escaped(c.column)) + cell(escaped(c.paper_text)) +
         cell(with_sign(escaped(ours_text(table, c)))) + cell(escaped(delta_text(c))) +
         cell(escaped(verdict), kind) + cell(escaped(budget_text(c))) + "</tr>\n";
}

std::string source(const TableCell& c) {
  std::string text = fmt::format("<li>{}: <code>{}</code>, configuration <code>{:.12}</code><ul>",
                                 escaped(c.name), escaped(c.metric), c.config_hash);
  text += fmt::format("<li><code>{}</code></li>", escaped(c.command));
  for (const CellRun& run : c.runs)
    text += fmt::format("<li>seed {}: {}, <a href=\"{}\">{}</a>, {}</li>", run.seed,
                        value_text(c, run.value), escaped(run.source), escaped(run.source),
                        escaped(run.revision));
  for (const std::int64_t seed : c.missing) text += fmt::format("<li>seed {}: missing</li>", seed);
  for (const std::string& problem : c.problems)
    text += fmt::format("<li>{}</li>", escaped(problem));
  return text + "</ul></li>\n";
}

}  // namespace

std::string as_html(const PaperTable& table) {
  const std::string title = escaped(fmt::format("Table {}: {}", table.number, table.paper));
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n",
      title, kStyle, title);
  if (!table.description.empty()) text += fmt::format("<p>{}</p>\n", escaped(table.description));
  text += fmt::format(
      "<div class=\"wide\">\n<table>\n<thead>\n<tr><th>row</th><th>column</th>"
      "<th>paper{0}</th><th>ours: mean &plusmn; sd (n){0}</th><th>difference</th><th>verdict</th>"
      "<th>budget</th></tr>\n</thead>\n<tbody>\n",
      escaped(unit_heading(table)));
  for (const TableCell& c : table.cells) text += table_row(table, c);
  text += fmt::format(
      "</tbody>\n</table>\n</div>\n<p>Budget: training images seen, as a share of the paper's "
      "protocol. {}</p>\n",
      escaped(table.selection));
  if (!table.comparisons.empty()) {
    text += "<h2>Paired comparisons</h2>\n<ul>\n";
    for (const Comparison& c : table.comparisons)
      text += "<li>" + with_sign(escaped(comparison_text(c))) + "</li>\n";
    text += "</ul>\n";
  }
  text += "<h2>Sources</h2>\n<ul>\n";
  for (const TableCell& c : table.cells) text += source(c);
  return text + "</ul>\n</body>\n</html>\n";
}

}  // namespace bitwright::results
