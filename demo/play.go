package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// limit is how long the demo takes at most. It usually ends in half of that.
const limit = 85 * time.Second

// demo is one showing: what runs, and where.
type demo struct {
	story   *story
	place   place
	binary  string // certkeep
	openssl string
	certs   []cert
	ca      *acmetest.CA
	site    *child
	keeper  *child // certkeep run
	log     *quoter
}

// play shows everything once. Whatever happens, nothing is left behind.
func play(ctx context.Context, binary string, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not everything was seen within %s", limit))
	defer cancel()
	d := &demo{story: newStory(out), certs: certs()}
	defer func() {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		err = errors.Join(err, d.cleanUp())
	}()
	if err := d.find(binary); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{
		d.startCA, d.writeConfig, d.showPlan, d.startSite, d.startKeeper, d.watch, d.showStatus, d.endKeeper,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find looks for the programs that the demo needs.
func (d *demo) find(binary string) (err error) {
	if d.binary, err = filepath.Abs(binary); err != nil {
		return fmt.Errorf("find certkeep: %w", err)
	}
	if _, err := os.Stat(d.binary); err != nil {
		return fmt.Errorf("find certkeep: %w; build it first with `make build`", err)
	}
	if d.openssl, err = exec.LookPath("openssl"); err != nil {
		return fmt.Errorf("%w; the demo looks at certificates with it, so please install openssl", err)
	}
	if d.place.dir, err = os.MkdirTemp("", "certkeep-demo-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	d.place.self, err = copySelf(d.place.dir)
	return err
}

// startCA starts the CA and its DNS server.
func (d *demo) startCA(ctx context.Context) (err error) {
	if d.ca, err = acmetest.Launch(ctx, acmetest.Options{Profiles: profiles()}); err != nil {
		return fmt.Errorf("start the test CA: %w", err)
	}
	if err := writeRoots(ctx, d.ca, d.place.dir); err != nil {
		return err
	}
	d.place.directory = d.ca.DirectoryURL()
	d.place.httpPort, d.place.tlsPort = d.ca.HTTPPort(), d.ca.TLSPort()
	d.place.dns, d.place.resolver = d.ca.DNS.URL(), d.ca.DNSAddr()
	if d.place.webPort, err = acmetest.FreePort(); err != nil {
		return err
	}
	d.place.web = net.JoinHostPort("127.0.0.1", strconv.Itoa(d.place.webPort))
	d.story.tell("A real ACME CA (Pebble) answers at %s.\nIts DNS server says that every name is at 127.0.0.1.", d.place.directory)
	return nil
}

// writeRoots writes the roots to trust the CA's own web server by, and those
// that its certificates lead to.
func writeRoots(ctx context.Context, ca *acmetest.CA, dir string) error {
	roots, err := ca.IssuingRoots(ctx)
	if err != nil {
		return fmt.Errorf("ask the CA for its root: %w", err)
	}
	for name, text := range map[string][]byte{fileHTTPS: ca.RootPEM(), fileRoot: roots[0]} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the CA's root: %w", err)
		}
	}
	return nil
}

// writeConfig writes the config and has Certkeep check it.
func (d *demo) writeConfig(ctx context.Context) error {
	text := d.place.configText(d.certs)
	if err := os.WriteFile(d.place.file("certkeep.yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	d.story.tell("This is the whole config, %s:", d.place.file("certkeep.yaml"))
	d.story.quote("    ", text)
	_, err := d.certkeep(ctx, "config", "check")
	return err
}

// showPlan has Certkeep say what it would do.
func (d *demo) showPlan(ctx context.Context) error {
	_, err := d.certkeep(ctx, "plan")
	return err
}

// startSite starts the HTTPS server, which has no certificate yet.
func (d *demo) startSite(ctx context.Context) (err error) {
	args := []string{serveCommand, d.place.web, d.place.file("site.pid")}
	for _, c := range d.certs {
		args = append(args, c.host+"="+filepath.Join(d.place.dir, "ssl", c.name))
	}
	log := &quoter{story: d.story, quiet: true}
	if d.site, err = startChild(log, d.place.self, args...); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(d.place.file("site.pid")); err == nil {
			d.story.tell("An HTTPS server for the three runs at %s. It has no certificate yet.", d.place.web)
			return nil
		}
		select {
		case <-d.site.done:
			return fmt.Errorf("%w\n%s", d.site.ended(), log.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// startKeeper starts Certkeep.
func (d *demo) startKeeper(context.Context) (err error) {
	d.story.tell("$ certkeep run\nFrom here on it works alone. Lines with | are its own log, shortened.")
	d.log = &quoter{story: d.story, who: "| ", shorten: shortLog}
	d.keeper, err = startChild(d.log, d.binary, "--config", d.place.file("certkeep.yaml"), "run")
	return err
}

// endKeeper ends Certkeep as systemd would.
func (d *demo) endKeeper(context.Context) error {
	began := time.Now()
	if err := d.keeper.stop(); err != nil {
		return fmt.Errorf("certkeep run ended: %w\n%s", err, d.log.tail())
	}
	d.story.tell("certkeep run was told to end (SIGTERM) and did, in %.1f s, with exit code 0.", time.Since(began).Seconds())
	return nil
}

// certkeep runs a command of Certkeep and shows what it prints.
func (d *demo) certkeep(ctx context.Context, args ...string) ([]byte, error) {
	words := "certkeep " + strings.Join(args, " ")
	out, err := d.ask(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", words, err, out)
	}
	d.story.tell("$ %s", words)
	d.story.quote("", string(out))
	return out, nil
}

// ask runs a command of Certkeep and returns what it prints.
func (d *demo) ask(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.binary, append([]string{"--config", d.place.file("certkeep.yaml")}, args...)...)
	return cmd.CombinedOutput()
}

// cleanUp ends everything that runs and removes what was written.
func (d *demo) cleanUp() error {
	for _, c := range []*child{d.keeper, d.site} {
		if c != nil {
			// Whether it ended well mattered earlier; here it has to be gone.
			_ = c.stop()
		}
	}
	var err error
	if d.ca != nil {
		err = d.ca.Close()
	}
	if d.place.dir == "" {
		return err
	}
	err = errors.Join(err, os.RemoveAll(d.place.dir))
	d.story.tell("Everything was stopped, and %s removed.", d.place.dir)
	return err
}

// shortLog leaves out what is the same in many lines of the log, and puts the
// certificate first.
func shortLog(line string) string {
	clock, words, ok := strings.Cut(line, " ")
	text, fields, found := strings.Cut(words, " certificate=")
	if !ok || !found {
		return line
	}
	name, _, _ := strings.Cut(fields, " ")
	return fmt.Sprintf("%s %-9s %s", clock, name, text)
}
