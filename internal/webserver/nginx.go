package webserver

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// nginxMark begins the line that `nginx -T` prints before each file.
const nginxMark = "# configuration file /"

// maxDirectives bounds what includes may come to: a file that is included
// often is counted each time.
const maxDirectives = 4 << 20

// nginxDump is the output of `nginx -T`: files, each once, in the order in
// which nginx came upon them. The first is the main one. Includes stand in
// them as they were written, and are followed here.
type nginxDump struct {
	order []string
	files map[string][]directive
	main  string
	count int
}

// ParseNginx reads the output of `nginx -T`. A line of a file that looks like
// the head of another one is taken for that.
func ParseNginx(dump string) ([]Host, error) {
	d := nginxDump{files: map[string][]directive{}}
	if err := d.split(dump); err != nil {
		return nil, err
	}
	if d.main == "" {
		return nil, fmt.Errorf("%w: nginx printed no configuration", ErrSyntax)
	}
	whole, err := d.expand(d.files[d.main], nil)
	if err != nil {
		return nil, err
	}
	var hosts []Host
	for _, http := range all(whole, "http") {
		around := allBut(http.block, "server")
		for _, server := range all(http.block, "server") {
			hosts = append(hosts, nginxHost(server, around))
		}
	}
	d.resolve(hosts)
	return hosts, nil
}

// split takes the files apart.
func (d *nginxDump) split(dump string) error {
	name, text := "", strings.Builder{}
	flush := func() error {
		if name == "" {
			return nil
		}
		r := reader{text: text.String(), file: name, line: 1}
		found, err := r.directives(0)
		if err != nil {
			return err
		}
		if d.main == "" {
			d.main = name
		}
		if _, again := d.files[name]; !again {
			d.order = append(d.order, name)
		}
		d.files[name] = found
		return nil
	}
	for line := range strings.Lines(dump) {
		if rest, ok := strings.CutPrefix(line, nginxMark); ok {
			if file, ok := strings.CutSuffix(strings.TrimRight(rest, "\r\n"), ":"); ok {
				if err := flush(); err != nil {
					return err
				}
				name = "/" + file
				text.Reset()
				continue
			}
		}
		text.WriteString(line)
	}
	return flush()
}

// expand puts what is included in the place of the include. Within are the
// files that lead here: nginx refuses circles, so a dump has none.
func (d *nginxDump) expand(block []directive, within []string) ([]directive, error) {
	if len(within) > maxDepth {
		return nil, fmt.Errorf("%w: files include each other: %s", ErrSyntax, within[0])
	}
	var whole []directive
	for _, one := range block {
		if d.count++; d.count > maxDirectives {
			return nil, fmt.Errorf("%w: it has more than %d directives", ErrSyntax, maxDirectives)
		}
		if one.name == "include" && len(one.args) == 1 {
			for _, file := range d.matching(one.args[0]) {
				more, err := d.expand(d.files[file], append(slices.Clone(within), file))
				if err != nil {
					return nil, err
				}
				whole = append(whole, more...)
			}
			continue
		}
		inner, err := d.expand(one.block, within)
		if err != nil {
			return nil, err
		}
		one.block = inner
		whole = append(whole, one)
	}
	return whole, nil
}

// matching lists the files of a pattern as glob(7) does: in the order of
// their names, hidden ones only where the pattern says so.
func (d *nginxDump) matching(pattern string) []string {
	pattern = d.absolute(pattern)
	if _, exact := d.files[pattern]; exact {
		return []string{pattern}
	}
	var found []string
	for _, file := range d.order {
		hidden := strings.HasPrefix(path.Base(file), ".") && !strings.HasPrefix(path.Base(pattern), ".")
		if ok, err := path.Match(pattern, file); err == nil && ok && !hidden {
			found = append(found, file)
		}
	}
	slices.Sort(found)
	return found
}

// absolute is a path as nginx takes it: beside the main file.
func (d *nginxDump) absolute(file string) string {
	if path.IsAbs(file) {
		return file
	}
	return path.Join(path.Dir(d.main), file)
}

// resolve makes the paths of certificates absolute. Variables, and keys that
// an engine or a provider holds, stay as they are.
func (d *nginxDump) resolve(hosts []Host) {
	for i := range hosts {
		for j, p := range hosts[i].Pairs {
			hosts[i].Pairs[j] = KeyFiles{Certificate: d.file(p.Certificate), Key: d.file(p.Key)}
		}
	}
}

func (d *nginxDump) file(name string) string {
	if name == "" || strings.ContainsAny(name, "$:") {
		return name
	}
	return d.absolute(name)
}

// nginxHost is what a server block says. Outer is what stands in http: what a
// server does not say itself, it has from there.
func nginxHost(server directive, outer []directive) Host {
	h := Host{Server: Nginx, File: server.file, Line: server.line, Names: []string{}, Patterns: []string{}, Pairs: []KeyFiles{}, block: server.block, outer: outer}
	h.again = func(block []directive) Host {
		server.block = block
		return nginxHost(server, outer)
	}
	for _, d := range all(server.block, "server_name") {
		for _, name := range d.args {
			h.addNginxName(name)
		}
	}
	on := flag(h.inherited("ssl"), "on") // of nginx before 1.25
	for _, d := range all(server.block, "listen") {
		if len(d.args) > 0 {
			h.Addresses = append(h.Addresses, nginxAddresses(d.args, on)...)
		}
	}
	if len(h.Addresses) == 0 {
		h.Addresses = []Address{{Port: 80, TLS: on}}
	}
	keys := h.inherited("ssl_certificate_key")
	for i, d := range h.inherited("ssl_certificate") {
		pair := KeyFiles{Certificate: first(d)}
		if i < len(keys) {
			pair.Key = first(keys[i])
		}
		h.Pairs = append(h.Pairs, pair)
	}
	return h
}

// inherited is what the host says of a directive, or else what is said around it.
func (h *Host) inherited(name string) []directive {
	if own := all(h.block, name); len(own) > 0 {
		return own
	}
	return all(h.outer, name)
}

func first(d directive) string {
	if len(d.args) == 0 {
		return ""
	}
	return d.args[0]
}

func flag(found []directive, value string) bool {
	return len(found) > 0 && strings.EqualFold(first(found[len(found)-1]), value)
}

// addNginxName adds a name of server_name. One that begins with a dot stands
// for itself and all below it.
func (h *Host) addNginxName(name string) {
	switch {
	case name == "" || name == "_" || strings.HasPrefix(name, "$"):
	case strings.HasPrefix(name, "."):
		h.addName(name[1:])
		h.addName("*" + name)
	default:
		h.addName(name)
	}
}

// nginxAddresses reads the arguments of listen, which may name a range of ports.
func nginxAddresses(args []string, on bool) []Address {
	a := nginxAddress(args, on)
	_, text, found := strings.Cut(args[0][strings.LastIndex(args[0], ":")+1:], "-")
	last, err := strconv.Atoi(text)
	if !found || err != nil || a.Port == 0 || last > 65535 {
		return []Address{a}
	}
	all := []Address{a}
	for a.Port++; a.Port <= last; a.Port++ {
		all = append(all, a)
	}
	return all
}

// portsFrom is a port, or the first one of a range.
func portsFrom(text string) (int, error) {
	from, to, isRange := strings.Cut(text, "-")
	if _, err := strconv.Atoi(to); isRange && err != nil {
		return 0, err
	}
	return strconv.Atoi(from)
}

// nginxAddress reads the arguments of listen; of a range of ports the first.
func nginxAddress(args []string, on bool) Address {
	a := Address{Port: 80, TLS: on || slices.Contains(args, "ssl") || slices.Contains(args, "quic"), Proxy: slices.Contains(args, "proxy_protocol")}
	where := args[0]
	if strings.HasPrefix(where, "unix:") {
		a.Host, a.Port = strings.TrimPrefix(where, "unix:"), 0
		return a
	}
	if port, err := portsFrom(where); err == nil {
		a.Port = port
		return a
	}
	a.Host = strings.Trim(where, "[]")
	if host, text, err := net.SplitHostPort(where); err == nil {
		if port, err := portsFrom(text); err == nil {
			a.Host, a.Port = host, port
		}
	}
	if slices.Contains([]string{"*", "0.0.0.0"}, a.Host) {
		a.Host = ""
	}
	a.dual = a.Host == "::" && slices.Contains(args, "ipv6only=off")
	return a
}
