// Copies pages so that each paragraph and each item of a list stands on one line.
//
// textlint-rule-en-max-word-count takes the end of a line for the end of a sentence, so that a long sentence that is
// broken over two lines would pass. Empty lines take the place of those that are joined: an error's line is the one on
// which its paragraph begins.
//
//   node unwrap.mjs FROM TO PAGE...
import fs from "node:fs";
import path from "node:path";

const item = /^\s*([-*+]|\d+[.)]) /;
const alone = /^\s*(#|\||<!--|!\[|~~~|```)/; // a heading, a row of a table, a comment, a picture, a fence

export function unwrap(text) {
  const out = [];
  let fence = "";
  let first = -1; // where the paragraph begins that the next line may belong to
  for (const line of text.split("\n")) {
    const trimmed = line.trim();
    const fences = trimmed.match(/^(```|~~~)/);
    if (fence !== "") {
      if (trimmed.startsWith(fence)) fence = "";
      first = -1;
      out.push(line);
    } else if (fences) {
      fence = fences[1];
      first = -1;
      out.push(line);
    } else if (trimmed === "" || alone.test(line)) {
      first = -1;
      out.push(line);
    } else if (first >= 0 && !item.test(line)) {
      out[first] += " " + trimmed;
      out.push("");
    } else {
      first = /^ {4}/.test(line) && !item.test(line) ? -1 : out.length; // what is indented so is code, or joined above
      out.push(line);
    }
  }
  return out.join("\n");
}

const [from, to, ...pages] = process.argv.slice(2);
for (const page of pages) {
  const file = path.join(to, page);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, unwrap(fs.readFileSync(path.join(from, page), "utf8")));
}
