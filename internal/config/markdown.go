package config

import (
	"fmt"
	"strings"
)

// Markdown is the reference of all keys, docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	root := schema().table
	headings := make(map[string]string)
	root.walk("", func(path string, t *tableDoc) { headings[t.name] = path })
	root.walk("", func(path string, t *tableDoc) {
		if len(t.keys) == 0 {
			return
		}
		heading := "Keys of the file"
		if path != "" {
			heading = "`" + path + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", heading)
		if path != "" && t.doc != "" {
			b.WriteString(t.doc + "\n\n")
		}
		b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		shared := ""
		for _, k := range t.keys {
			if k.shared {
				shared += " `" + k.name + "`"
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, cell(k.words), cell(k.standardWords(headings)), cell(k.meaning()))
		}
		if shared != "" {
			fmt.Fprintf(&b, "|%s | as under `defaults` | as `defaults` says | For this certificate alone. |\n", shared)
		}
	})
	b.WriteString("\n## Everything at once\n\nThis is what `certkeep config example` prints.\n\n```yaml\n" + Example() + "```\n")
	return b.String()
}

// standardWords is the default for people. Headings says under which each
// table is described.
func (k keyDoc) standardWords(headings map[string]string) string {
	switch {
	case k.standard != "":
		return k.standard
	case k.standardNode != nil:
		return "`" + renderFlow(k.standardNode) + "`"
	case strings.Contains(k.doc, "Required."):
		return "required"
	case k.table != nil && len(k.table.keys) > 0:
		heading := headings[k.table.name]
		return "see [`" + heading + "`](#" + anchor(heading) + ")"
	}
	return "none"
}

// anchor is what a heading of that text is linked by.
func anchor(heading string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.ToLower(heading))
}

// meaning is what the key means, with an example where it says more.
func (k keyDoc) meaning() string {
	doc := k.doc
	if k.standard == "" {
		doc = strings.TrimSuffix(doc, " Required.") // the column before says so
	}
	if k.example == "" || k.example == "{}" {
		return doc
	}
	return doc + " Example: `" + k.example + "`"
}

// cell keeps text from ending a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const markdownHead = `# Configuration

<!-- Generated from the description of all keys in internal/config. To change it, change that, and run
     go test ./internal/config -run TestDocs -update -->

Certkeep reads one file, YAML or JSON with the same keys: what ` + "`--config`" + ` names, else what the environment variable
` + "`CERTKEEP_CONFIG`" + ` names, else ` + "`/etc/certkeep/certkeep.yaml`" + ` (` + "`.yml`, `.json`" + `). Files ` + "`conf.d/*.yaml`" + ` (` + "`.yml`, `.json`" + `) beside it are
merged into it in name order: tables merge, a key set in two files is an error that names both places, and the lists of
` + "`challenges`" + ` follow one another. A file or folder that others may write is refused.

Reading is strict. An unknown key, a wrong type or a name that no CA would accept is an error with file, line, column, the
nearest key that exists, and a hint; ` + "`certkeep config check`" + ` shows all of them at once. The program never writes these
files. [config.schema.json](config.schema.json) is a JSON Schema of the same, for editors.

The smallest configuration, beside a running nginx:

` + "```yaml" + `
email: admin@example.com
accept_terms: true
challenges: [{http-01: {webroot: /var/www/html}}]
certificates:
  example.com: {names: [example.com, www.example.com], services: [nginx]}
` + "```" + `

## Values

- **Durations** carry a unit: ` + "`ms`, `s`, `m`, `h`, `d`, `w` (7 days), `y` (365 days), as in `90s`, `1h30m`, `30d`" + `. Where the table says
  so, a percentage of the certificate's lifetime may stand instead, as in ` + "`33%`" + `.
- **Commands** are a list of exact arguments, ` + "`[nginx, -t]`, or a text that is split at blanks, `nginx -t`" + `, in which ` + "`'…'`, `\"…\"`" + `
  and a backslash keep blanks. No shell takes part, and what only a shell understands is refused, unless you ask for one:
  ` + "`{shell: \"cd /srv && make\"}`" + `.
- **Names** are DNS names in ASCII, wildcards such as ` + "`\"*.example.com\"` (quoted: YAML gives an unquoted `*` another meaning)" + `,
  and IP addresses. Capital letters do not matter.
- **Secrets** never stand in the configuration: a file, an environment variable or a systemd credential is named instead.
- **Paths** are absolute.
- **Modes** are quoted octal numbers: ` + "`\"0640\"`" + `.
`
