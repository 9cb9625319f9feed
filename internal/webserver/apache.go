package webserver

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ParseApache reads what Apache prints for -D DUMP_CONFIG -D DUMP_RUN_CFG with
// mod_info: the tree of its directives, includes followed, macros and
// conditions resolved, each after a comment with its line. Blocks are indented
// by two blanks; an empty one has no end of its own.
func ParseApache(dump string) ([]Host, error) {
	var t apacheDump
	for line := range strings.Lines(dump) {
		if err := t.take(strings.TrimRight(line, "\r\n")); err != nil {
			return nil, err
		}
	}
	tree := t.close(0)
	if !t.seen {
		return nil, fmt.Errorf("%w: Apache printed no configuration (does it have mod_info?)", ErrSyntax)
	}
	https, around := httpsPorts(tree), allBut(tree, "<virtualhost")
	var hosts []Host
	for _, d := range all(tree, "<virtualhost") {
		hosts = append(hosts, apacheHost(d, around, t.root, https))
	}
	return hosts, nil
}

// apacheDump is what was read so far.
type apacheDump struct {
	open []directive // blocks under way; open[0] is the whole
	now  string      // the file that lines are counted in
	line int
	root string // ServerRoot: what paths without a slash are below
	seen bool
}

// take reads a line.
func (t *apacheDump) take(line string) error {
	text := strings.TrimLeft(line, " ")
	depth := (len(line) - len(text)) / 2
	switch {
	case text == "":
	case strings.HasPrefix(text, "# In file: "):
		t.now, t.seen = strings.TrimPrefix(text, "# In file: "), true
	case strings.HasPrefix(text, "#"):
		if n, err := strconv.Atoi(strings.Trim(text, "# :")); err == nil {
			t.line = n
		}
	case strings.HasPrefix(line, `ServerRoot: "`): // of DUMP_RUN_CFG
		t.root = strings.Trim(strings.TrimPrefix(line, "ServerRoot: "), `"`)
	case !t.seen || strings.HasPrefix(text, "</"):
	case depth > maxDepth:
		return fmt.Errorf("%w: %s:%d: blocks lie too deep in each other", ErrSyntax, t.now, t.line)
	default:
		t.add(depth, text)
	}
	return nil
}

// add puts a directive into the block that its indentation tells.
func (t *apacheDump) add(depth int, text string) {
	if len(t.open) == 0 {
		t.open = []directive{{}}
	}
	depth = min(depth, len(t.open)-1)
	t.close(depth + 1)
	words := apacheWords(strings.TrimSuffix(text, ">"))
	d := directive{name: strings.ToLower(words[0]), args: words[1:], file: t.now, line: t.line}
	t.open = append(t.open, d)
}

// close ends all blocks but the first n, and returns what stands in the last
// of those.
func (t *apacheDump) close(n int) []directive {
	for last := len(t.open) - 1; last >= max(n, 1); last-- {
		t.open[last-1].block = append(t.open[last-1].block, t.open[last])
		t.open = t.open[:last]
	}
	if len(t.open) == 0 {
		return nil
	}
	return t.open[len(t.open)-1].block
}

// apacheWords splits arguments as Apache does: quotes keep blanks, and a
// backslash keeps a quote.
func apacheWords(text string) []string {
	var words []string
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		var b strings.Builder
		quote := text[0]
		i := 0
		if quote == '"' || quote == '\'' {
			for i = 1; i < len(text) && text[i] != quote; i++ {
				if text[i] == '\\' && i+1 < len(text) && (text[i+1] == quote || text[i+1] == '\\') {
					i++
				}
				b.WriteByte(text[i])
			}
			i = min(i+1, len(text))
		} else {
			for ; i < len(text) && text[i] != ' ' && text[i] != '\t'; i++ {
				b.WriteByte(text[i])
			}
		}
		words = append(words, b.String())
		text = text[i:]
	}
	return append(words, make([]string, max(0, 1-len(words)))...)
}

// httpsPorts are those whose hosts speak TLS without saying so: 443, and those
// that Listen says so of.
func httpsPorts(tree []directive) []int {
	ports := []int{443}
	for _, d := range all(tree, "listen") {
		address := apacheAddress(first(d))
		if len(d.args) > 1 && strings.EqualFold(d.args[1], "https") {
			ports = append(ports, address.Port)
		} else if len(d.args) > 1 {
			ports = slices.DeleteFunc(ports, func(p int) bool { return p == address.Port })
		}
	}
	return ports
}

// apacheHost is what a <VirtualHost> says.
func apacheHost(d directive, outer []directive, root string, https []int) Host {
	h := Host{Server: Apache, File: d.file, Line: d.line, Names: []string{}, Patterns: []string{}, Addresses: []Address{}, Pairs: []KeyFiles{}, block: d.block, outer: outer}
	h.again = func(block []directive) Host {
		d.block = block
		return apacheHost(d, outer, root, https)
	}
	if file, _, isMacro := strings.Cut(d.file, "' (defined on line"); isMacro {
		h.File, h.Line = file+"'", d.line // of a macro: its name, and the line in it
	}
	for _, d := range slices.Concat(all(d.block, "servername"), all(d.block, "serveralias")) {
		for _, name := range d.args {
			h.addName(apacheName(name))
		}
	}
	engine := h.inherited("sslengine")
	for _, where := range d.args {
		a := apacheAddress(where)
		a.TLS = flag(engine, "on") || len(engine) == 0 && slices.Contains(https, a.Port)
		a.Proxy = flag(h.inherited("remoteipproxyprotocol"), "on")
		h.Addresses = append(h.Addresses, a)
	}
	if !h.TLS() {
		return h
	}
	keys := h.inherited("sslcertificatekeyfile")
	for i, c := range h.inherited("sslcertificatefile") {
		pair := KeyFiles{Certificate: apacheFile(root, first(c))}
		if i < len(keys) {
			pair.Key = apacheFile(root, first(keys[i]))
		}
		h.Pairs = append(h.Pairs, pair)
	}
	return h
}

func apacheFile(root, file string) string {
	if file == "" || path.IsAbs(file) || root == "" || strings.Contains(file, ":") {
		return file
	}
	return path.Join(root, file)
}

// apacheName is a ServerName without its scheme and port.
func apacheName(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}

// apacheAddress reads an address of <VirtualHost> or Listen.
func apacheAddress(where string) Address {
	a := Address{}
	if port, err := strconv.Atoi(where); err == nil {
		a.Port = port
		return a
	}
	a.Host = strings.Trim(where, "[]")
	if host, text, err := net.SplitHostPort(where); err == nil {
		port, err := strconv.Atoi(text)
		if err == nil || text == "*" {
			a.Host, a.Port = host, port
		}
	}
	if slices.Contains([]string{"*", "_default_", "0.0.0.0", "::"}, a.Host) {
		a.Host = ""
	}
	return a
}
