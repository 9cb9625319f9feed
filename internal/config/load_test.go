package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// writeFiles writes files below a folder of the test and returns the folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etc")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// said renders what Load found, with the folder's path taken out.
func said(dir string, warnings []Warning, err error) string {
	var lines []string
	for _, w := range warnings {
		lines = append(lines, "warning: "+w.String())
	}
	if err != nil {
		lines = append(lines, err.Error())
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), dir+"/", "")
}

func TestLoadMergesConfD(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"certkeep.yaml":        "email: a@example.com\nchallenges: [{names: [a.example], http-01: {webroot: /a}}]\ncertificates:\n  m:\n    names: [m.example]\n    renew: {before: 20%}\nhooks:\n",
		"conf.d/10-x.yaml":     "challenges: [{names: [x.example], http-01: {webroot: /x}}]\ncertificates: {x: {names: [x.example]}}\n",
		"conf.d/20-y.yml":      "hooks: {issued: {command: y}}\ncertificates: {m: {services: [nginx], renew: {ari: false}}, y.example: }\n",
		"conf.d/30-z.json":     "{\n\t\"challenges\": [{\"names\": [\"a.example\"], \"http-01\": {\"webroot\": \"/z\"}}],\n\t\"hooks\": {\"errored\": {\"command\": [\"z\"]}}\n}\n",
		"conf.d/README":        "not read",
		"conf.d/.hidden.yaml":  "not: read",
		"conf.d/off.yaml.off":  "not: read",
		"conf.d/40-empty.yaml": "# nothing\n",
		"conf.d/50-null.yaml":  "hooks:\ncertificates: {x: }\nlog:\n  level: debug\n",
		"other.yaml":           "not: read",
	})
	cfg, warnings, err := Load(filepath.Join(dir, "certkeep.yaml"))
	if err != nil || len(warnings) > 0 {
		t.Fatal(said(dir, warnings, err))
	}
	var roots, names []string
	for _, r := range cfg.Challenges {
		roots = append(roots, r.Methods[0].Webroot)
	}
	for _, c := range cfg.Certificates {
		names = append(names, c.Name)
	}
	if !slices.Equal(roots, []string{"/a", "/x", "/z"}) || !slices.Equal(names, []string{"m", "x", "y.example"}) || len(cfg.Hooks) != 2 || cfg.Log.Level != "debug" {
		t.Errorf("rules %q, certificates %q, hooks %v", roots, names, cfg.Hooks)
	}
	m := cfg.Certificate("m")
	if m.Renew.Before.Percent != 20 || m.Renew.ARI || !slices.Equal(m.Services, []string{"nginx"}) {
		t.Errorf("merged certificate: %+v", m)
	}
	if cfg.Path != filepath.Join(dir, "certkeep.yaml") {
		t.Errorf("Path = %q", cfg.Path)
	}
}

func TestLoadConfDFindings(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a key in two files": {
			map[string]string{"c.yaml": "email: a@example.com\nlog:\n  level: info\n", "conf.d/b.yaml": "node: b\nlog: {level: debug}\nemail: b@example.com\n"},
			"conf.d/b.yaml:2:7: key \"level\" is set in two files; the other is c.yaml:3:3\n" +
				"conf.d/b.yaml:3:1: key \"email\" is set in two files; the other is c.yaml:1:1",
		},
		"in two files of conf.d": {
			map[string]string{"c.yaml": "", "conf.d/b.yaml": "certificates: {x.example: {services: []}}", "conf.d/c.yaml": "certificates:\n  x.example:\n    services: [nginx]"},
			"conf.d/c.yaml:3:5: key \"services\" is set in two files; the other is conf.d/b.yaml:1:28",
		},
		"a table and something else": {
			map[string]string{"c.yaml": "certificates: {x.example: {}}", "conf.d/b.yaml": "certificates: [x.example]"},
			"conf.d/b.yaml:1:1: key \"certificates\" is set in two files; the other is c.yaml:1:1",
		},
		"lists other than challenges": {
			map[string]string{"c.yaml": "accept_terms: [google]", "conf.d/b.yaml": "accept_terms: [zerossl]"},
			"conf.d/b.yaml:1:1: key \"accept_terms\" is set in two files; the other is c.yaml:1:1",
		},
		"challenges of a certificate": {
			map[string]string{"c.yaml": "certificates: {x.example: {challenges: [{http-01: {}}]}}", "conf.d/b.yaml": "certificates: {x.example: {challenges: [{http-01: {}}]}}"},
			"conf.d/b.yaml:1:28: key \"challenges\" is set in two files; the other is c.yaml:1:28",
		},
		"errors in the order of the files": {
			map[string]string{"c.yaml": "\n\nb: 1", "conf.d/b.yaml": "c: 1", "conf.d/a.yaml": "\nd: 1\na: 1"},
			"c.yaml:3:1: unknown key \"b\"; known here: " + strings.Join(schema().table.keyNames(), ", ") + "\n" +
				"conf.d/a.yaml:2:1: unknown key \"d\"; known here: " + strings.Join(schema().table.keyNames(), ", ") + "\n" +
				"conf.d/a.yaml:3:1: unknown key \"a\"; known here: " + strings.Join(schema().table.keyNames(), ", ") + "\n" +
				"conf.d/b.yaml:1:1: unknown key \"c\"; known here: " + strings.Join(schema().table.keyNames(), ", "),
		},
		"only what is broken, while something is": {
			map[string]string{"c.yaml": "challenges: [{dns-01: {via: main}}]", "conf.d/a.yaml": "dns: {main: {provider: rfc2136}", "conf.d/b.yaml": "a:\n\t- b"},
			"conf.d/a.yaml:1:6: cannot be read as YAML: could not find flow mapping end token '}'\n" +
				"conf.d/b.yaml:2:1: cannot be read as YAML: found character '\\t' that cannot start any token; indent with spaces, not with tabs",
		},
		"files across files": {
			map[string]string{"c.yaml": "certificates: {x: {names: [x.example], files: [{path: /a, content: chain}]}}", "conf.d/b.yaml": "certificates: {y: {names: [x.example], files: [{path: /a, content: chain}]}}"},
			"warning: conf.d/b.yaml:1:28: certificates \"x\" and \"y\" both carry \"x.example\"; the other is at c.yaml:1:16\n" +
				"conf.d/b.yaml:1:49: certificate \"y\": /a is written twice; certificate \"x\" writes it at c.yaml:1:49",
		},
		"no table": {
			map[string]string{"c.yaml": "email: a@example.com", "conf.d/b.yaml": "- x"},
			"conf.d/b.yaml:1:1: a configuration is a table of keys, not a list; begin with a line like \"certificates:\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, c.files)
			cfg, warnings, err := Load(filepath.Join(dir, "c.yaml"))
			if got := said(dir, warnings, err); got != c.want || cfg != nil {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestLoadMissing(t *testing.T) {
	dir := t.TempDir()
	_, warnings, err := Load(filepath.Join(dir, "c.yaml"))
	if got, want := said(dir, warnings, err), `c.yaml: there is no such file; "certkeep config example" prints one to begin with`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"fifo": "fifo: is not a regular file", ".": strings.TrimSuffix(dir, "/") + ": is not a regular file"} {
		_, warnings, err := Load(filepath.Join(dir, path))
		if got := said(dir, warnings, err); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestLoadRefusesWhatOthersMayWrite(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		mode os.FileMode
		want string
	}{
		"file, all":       {"c.yaml", 0o646, "c.yaml: may be written by everybody; chmod go-w DIR/c.yaml"},
		"file, group":     {"c.yaml", 0o664, "c.yaml: may be written by its group; chmod go-w DIR/c.yaml"},
		"folder":          {".", 0o777, "DIR: may be written by everybody; chmod go-w DIR"},
		"sticky folder":   {".", 0o777 | os.ModeSticky, ""},
		"conf.d":          {"conf.d", 0o775, "conf.d: may be written by its group; chmod go-w DIR/conf.d"},
		"file in conf.d":  {"conf.d/a.yaml", 0o666, "conf.d/a.yaml: may be written by everybody; chmod go-w DIR/conf.d/a.yaml"},
		"as it should be": {"c.yaml", 0o640, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"c.yaml": "email: a@example.com", "conf.d/a.yaml": "node: a"})
			if err := os.Chmod(filepath.Join(dir, c.path), c.mode); err != nil {
				t.Fatal(err)
			}
			_, warnings, err := Load(filepath.Join(dir, "c.yaml"))
			got := said(dir, warnings, err)
			want := strings.ReplaceAll(strings.ReplaceAll(c.want, "DIR/", ""), "DIR", dir)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A link does not lead around the rule.
func TestLoadFollowsLinks(t *testing.T) {
	dir := writeFiles(t, map[string]string{"open/c.yaml": "email: a@example.com", "etc/x": ""})
	link := filepath.Join(dir, "etc", "certkeep.yaml")
	if err := os.Symlink(filepath.Join(dir, "open", "c.yaml"), link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(link); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(link)
	if got, want := said(dir, warnings, err), "open: may be written by everybody; chmod go-w open"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nor does a folder further up, in which somebody else may exchange the one
// that the file is in.
func TestLoadLooksAtTheWholeWay(t *testing.T) {
	dir := writeFiles(t, map[string]string{"srv/etc/c.yaml": "email: a@example.com"})
	path := filepath.Join(dir, "srv", "etc", "c.yaml")
	if _, _, err := Load(path); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(dir, "srv"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(path)
	if got, want := said(dir, warnings, err), "srv: may be written by everybody; chmod go-w srv"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadRefusesForeignFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for _, path := range []string{"c.yaml", "conf.d/a.yaml", "conf.d"} {
		dir := writeFiles(t, map[string]string{"c.yaml": "", "conf.d/a.yaml": ""})
		if err := os.Chown(filepath.Join(dir, path), 65534, -1); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Load(filepath.Join(dir, "c.yaml"))
		if got, want := said(dir, warnings, err), path+": belongs to the user with id 65534, who may write it; chown root "+path; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNotUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"email: a\n# \xfcber\n":        "c.yaml:2:3: the file is not UTF-8 here",
		"\ufeff# bücher: \x00":         "c.yaml:1:11: the character '\\x00' has no place in a text file",
		"\xff\xfee\x00m\x00a\x00i\x00": "c.yaml:1:1: the file is not UTF-8 here",
		"# \ufffd":                     "c.yaml:1:3: the character '\ufffd' has no place in a text file",
	} {
		_, _, err := LoadBytes("c.yaml", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if cfg := mustLoad(t, "\ufeffemail: a@example.com\r\nnode: x\rstate: /s\r\n"); cfg.Email == "" || cfg.Node != "x" || cfg.State != "/s" {
		t.Errorf("line ends of other systems: %+v", cfg)
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct{ flag, env, want string }{
		{"/a", "/b", "/a"},
		{"", "/b", "/b"},
		{"", "", "/etc/certkeep/certkeep."}, // the suffix depends on what is there
	} {
		if got := Path(c.flag, c.env); !strings.HasPrefix(got, c.want) {
			t.Errorf("Path(%q, %q) = %q, want %q", c.flag, c.env, got, c.want)
		}
	}
}
