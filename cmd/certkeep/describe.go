package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// labelWidth is how far the text beside a label is indented.
const labelWidth = 12

// describe renders an overview for people.
func (a *app) describe(o status.Overview) string {
	var b strings.Builder
	r := renderer{now: o.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	if a.quiet {
		return r.short(o)
	}
	for i, c := range o.Certificates {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(r.certificate(c))
	}
	if len(o.Certificates) == 0 {
		b.WriteString("no certificate is configured\n")
	}
	if len(o.Problems) > 0 {
		b.WriteString("\n")
	}
	b.WriteString(r.problems(o.Problems))
	if len(o.NotInConfig) > 0 {
		b.WriteString("\n" + labelled("stored too", labelWidth, strings.Join(o.NotInConfig, ", ")+" (not in the config; `certkeep forget NAME` drops it)", r.width))
	}
	return b.String()
}

// renderer lays out text for a width, coloured or not.
type renderer struct {
	now   time.Time
	width int
	paint func(colour, string) string
}

// short is one line for each certificate.
func (r renderer) short(o status.Overview) string {
	rows := make([][]string, 0, len(o.Certificates))
	for _, c := range o.Certificates {
		rows = append(rows, []string{c.Name, string(c.State), r.validity(c)})
	}
	return table(rows)
}

func (r renderer) certificate(c status.Certificate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", r.paint(bold, c.Name), r.state(c.State), r.validity(c))
	line := func(label, text string) { b.WriteString("  " + r.indented(label, text)) }
	line("names", strings.Join(c.Names, ", "))
	line("issuer", issuers(c))
	if c.Mode == config.ModeStatic {
		line("renewal", "by somebody else (mode: static); the files are watched")
	}
	if c.Renewal != nil {
		line("renewal", r.when(c.Renewal.At)+": "+c.Renewal.Reason.Words)
	}
	if c.Keys != nil {
		line("keys", r.keys(*c.Keys, c.Name))
	}
	for _, o := range c.Orders {
		line("order", fmt.Sprintf("open at %s since %s (%s)", o.Issuer, minute(o.Created), o.KeyType))
	}
	r.statements(c, line)
	for _, t := range c.Targets {
		line(targetLabel(t), r.target(t))
	}
	b.WriteString(r.problems(c.Problems))
	return b.String()
}

func (r renderer) state(s status.State) string {
	return r.paint(map[status.State]colour{status.OK: green, status.Warning: yellow, status.Critical: red, status.Unknown: yellow}[s], string(s))
}

func (r renderer) validity(c status.Certificate) string {
	switch {
	case c.Authorized != nil:
		return r.authorized(c)
	case c.NotAfter.IsZero():
		return "no certificate yet"
	case c.NotAfter.Before(r.now):
		return "ended " + minute(c.NotAfter) + " (" + away(r.now, c.NotAfter) + ")"
	}
	return "valid until " + minute(c.NotAfter) + " (" + away(r.now, c.NotAfter) + ")"
}

// authorized says how many names are proven, and until when.
func (r renderer) authorized(c status.Certificate) string {
	proven := 0
	var ends time.Time
	for _, a := range c.Authorized {
		if a.Issuer == "" || !a.Expires.IsZero() && !a.Expires.After(r.now) {
			continue
		}
		proven++
		if !a.Expires.IsZero() && (ends.IsZero() || a.Expires.Before(ends)) {
			ends = a.Expires
		}
	}
	text := fmt.Sprintf("%d of %d proven", proven, len(c.Authorized))
	if !ends.IsZero() {
		text += ", until " + minute(ends) + " (" + away(r.now, ends) + ")"
	}
	return text
}

// when is an instant, or "now" for one that is past.
func (r renderer) when(t time.Time) string {
	if !t.After(r.now) {
		return "now"
	}
	return minute(t) + " (" + away(r.now, t) + ")"
}

// issuers says who issued what is published, else who will be asked.
func issuers(c status.Certificate) string {
	var made []string
	for _, p := range c.Pairs {
		text := p.Issuer
		if p.CA != "" {
			text = strings.TrimSpace(text + " (" + p.CA + ")")
		}
		if text == "" {
			text = "unknown"
		}
		made = append(made, text+", "+p.KeyType)
	}
	if len(made) == 0 && c.Authorized != nil {
		return strings.Join(c.Issuers, ", else ")
	}
	if len(made) == 0 {
		return strings.Join(c.Issuers, ", else ") + ", " + strings.Join(c.KeyTypes, " and ")
	}
	text := strings.Join(made, "; ")
	if c.Held {
		text += "; a restored version, held"
	}
	return text
}

func targetLabel(t status.Target) string {
	if t.Name == "default" {
		return "installed"
	}
	return t.Name
}

// target says how far a target came, and never more than is known.
func (r renderer) target(t status.Target) string {
	switch {
	case t.Version == "":
		return "nothing is installed yet"
	case !t.Current:
		return "behind: another version lies there, " + t.State + " " + minute(t.At)
	}
	state := t.State
	if len(t.Services) == 0 && state == string(plan.TargetReloaded) {
		state = string(plan.TargetWritten) // there was nobody to tell
	}
	text := state + " " + minute(t.At)
	if len(t.Services) > 0 && state != string(plan.TargetWritten) {
		text += ", services " + strings.Join(t.Services, ", ")
	}
	if !t.Awaits.IsZero() {
		return text + ", read by its services when somebody restarts them"
	}
	if t.Verify == nil {
		return text + ", not verified"
	}
	var seen []string
	for _, e := range t.Verify.Results {
		if e.Verdict == string(plan.VerdictRight) {
			seen = append(seen, e.Endpoint)
		}
	}
	if len(seen) > 0 {
		text += ", seen " + minute(t.Verify.At) + " at " + strings.Join(seen, ", ")
	}
	return text
}

func (r renderer) indented(label, text string) string {
	lines := labelled(label, labelWidth-2, text, r.width-2)
	return strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}

func indent(lines []string, by int) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.Repeat(" ", by) + line + "\n")
	}
	return b.String()
}
