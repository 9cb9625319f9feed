package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// outcome is what a command did and how things are afterwards. Its JSON is
// in docs/json.md.
type outcome struct {
	Time         time.Time            `json:"time"`
	Node         string               `json:"node"`
	State        status.State         `json:"state"`
	ExitCode     int                  `json:"exit_code"`
	Steps        []doneStep           `json:"steps"`
	Certificates []status.Certificate `json:"certificates"`
}

// doneStep is a step that was carried out.
type doneStep struct {
	Kind        plan.Kind   `json:"kind"`
	Certificate string      `json:"certificate"`
	Keys        string      `json:"keys,omitempty"`
	KeyType     string      `json:"key_type,omitempty"`
	Target      string      `json:"target,omitempty"`
	Version     string      `json:"version,omitempty"`
	Issuer      string      `json:"issuer,omitempty"`
	Hook        string      `json:"hook,omitempty"`
	Name        string      `json:"name,omitempty"` // in DNS
	Reason      plan.Reason `json:"reason"`
	Fault       *plan.Fault `json:"fault,omitempty"`
}

// outcomeOf sums up how things are after what was done.
func outcomeOf(after plan.World, w wish, steps []doneStep, failed bool) outcome {
	o := status.Of(time.Now(), after)
	if len(w.names) > 0 {
		o = o.Only(append(slices.Clip(w.names), w.also...))
	}
	return outcome{Time: o.Time, Node: o.Node, State: o.State, ExitCode: o.ExitCode(failed), Steps: steps, Certificates: o.Certificates}
}

// describeOutcome renders what was done for people: a line for each
// certificate that was worked on, and all that is wrong. Who named a
// certificate is not told again to do so.
func (a *app) describeOutcome(o outcome, w wish) string {
	r := renderer{now: o.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	var b strings.Builder
	var rows [][]string
	var waiting []string // after a failure, until nobody asks for them
	well := 0
	for _, c := range o.Certificates {
		words := doneTo(c, o.Steps)
		if c.State == status.OK && words == "" {
			well++
			continue
		}
		if words == "" {
			words = "nothing was due"
			if c.Failure != nil {
				words = "waits after a failure"
				waiting = append(waiting, c.Name)
			}
		}
		rows = append(rows, []string{c.Name, string(c.State), words, r.validity(c)})
	}
	if a.quiet && o.ExitCode == exitOK {
		return ""
	}
	b.WriteString(table(rows))
	for _, c := range o.Certificates {
		if c.Renewal != nil && (c.Renewal.Reason.Code == plan.ReasonFits || c.Renewal.Reason.Code == plan.ReasonRolled) {
			b.WriteString(c.Name + ": " + c.Renewal.Reason.Words + "\n")
		}
		problems := append(notStored(c, o.Steps), c.Problems...)
		if len(problems) > 0 {
			b.WriteString("\n" + r.paint(bold, c.Name) + "\n")
		}
		b.WriteString(r.problems(problems))
	}
	switch {
	case well > 0 && len(rows) == 0:
		fmt.Fprintf(&b, "nothing to do: %s well\n", areOf(well, "certificate"))
	case well > 0:
		fmt.Fprintf(&b, "%s well, and nothing was due for them\n", areOf(well, "other certificate"))
	}
	if len(waiting) > 0 && len(w.names) == 0 {
		fmt.Fprintf(&b, "\nMended? Who is named does not wait: certkeep apply %s\n", strings.Join(waiting[:min(len(waiting), 5)], " "))
	}
	return b.String()
}

func areOf(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

// notStored are the failures that no fact tells of: those of steps that could
// not store them, as on a full disk, and were not made good for since.
func notStored(c status.Certificate, steps []doneStep) []plan.Problem {
	var problems []plan.Problem
	for i, s := range steps {
		if s.Certificate != c.Name || s.Fault == nil {
			continue
		}
		told := func(p plan.Problem) bool { return strings.HasPrefix(p.Words, s.Fault.Words) }
		mended := func(later doneStep) bool {
			return later.Fault == nil && later.Certificate == s.Certificate && later.Kind == s.Kind && later.KeyType == s.KeyType && later.Target == s.Target
		}
		if slices.ContainsFunc(c.Problems, told) || slices.ContainsFunc(problems, told) || slices.ContainsFunc(steps[i+1:], mended) {
			continue
		}
		problems = append(problems, plan.Problem{
			Code: s.Fault.Code, Severity: plan.Warning, Cert: c.Name, Target: s.Target,
			Words: s.Fault.Words, Detail: s.Fault.Detail, Remedy: s.Fault.Code.Remedy(), Since: s.Fault.At,
		})
	}
	return problems
}

// eventful reports whether something was done, or is wrong. That what was
// right yesterday is so today is no event.
func (o outcome) eventful() bool {
	if o.ExitCode != exitOK || o.State != status.OK {
		return true
	}
	for _, c := range o.Certificates {
		if len(c.Problems) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(o.Steps, func(s doneStep) bool {
		return s.Fault != nil || doneWords()[s.Kind] != "" && (s.Kind != plan.KindVerify || s.Reason.Code != plan.ReasonRoutine)
	})
}

// tellHeldUp says what --only left waiting, since it leaves out what that
// waits for: no later run of the same kind would ever get on with it.
func (a *app) tellHeldUp(after plan.World, w wish) {
	if len(w.only.Kinds) == 0 || w.ask != "" && w.ask != plan.AskApply {
		return
	}
	left := func(kinds ...plan.Kind) bool {
		return slices.ContainsFunc(kinds, func(k plan.Kind) bool { return !slices.Contains(w.only.Kinds, k) })
	}
	if !left(plan.KindLookTLSA, plan.KindTLSA) || left(plan.KindPublish, plan.KindSwitch) {
		return
	}
	for _, name := range plan.WaitsForTLSA(time.Now(), after) {
		if len(w.names) == 0 || slices.Contains(w.names, name) {
			a.ui.note("%s %s waits for its TLSA records, which --only leaves alone: nothing new is served before they are published\n  Add tlsa to --only, or leave --only out.",
				a.ui.painter(a.ui.stderr)(yellow, "warning:"), name)
		}
	}
}

// doneWords say what a step did that is worth a word. Looks are not, and
// neither is a search for something to adopt.
func doneWords() map[plan.Kind]string {
	return map[plan.Kind]string{
		plan.KindIssue: "issued", plan.KindResume: "issued", plan.KindPublish: "published",
		plan.KindInstall: "installed", plan.KindHook: "hooks run", plan.KindVerify: "verified", plan.KindRevoke: "revoked", plan.KindWithdraw: "withdrawn", plan.KindAuthorize: "authorised",
		plan.KindTLSA:   "TLSA records updated",
		plan.KindParams: "parameters found", plan.KindKeys: "made", plan.KindSwitch: "changed",
	}
}

// doneTo sums up the steps that were carried out for a certificate, and for the
// keys that it is on.
func doneTo(c status.Certificate, steps []doneStep) string {
	own := wordsOf(steps, func(s doneStep) bool { return s.Certificate == c.Name })
	ofKeys := wordsOf(steps, func(s doneStep) bool { return s.Certificate == "" && c.Keys != nil && s.Keys == c.Keys.Name })
	switch {
	case ofKeys == "":
		return own
	case own == "":
		return "keys " + ofKeys
	}
	return own + "; keys " + ofKeys
}

// wordsOf are what some of the steps did, each where it was done last.
func wordsOf(steps []doneStep, concerns func(doneStep) bool) string {
	done := doneWords()
	var words []string
	for _, s := range steps {
		word := done[s.Kind]
		if !concerns(s) || word == "" {
			continue
		}
		if s.Fault != nil {
			word = string(s.Kind) + " failed"
		}
		words = append(slices.DeleteFunc(words, func(w string) bool { return w == word }), word)
	}
	return strings.Join(words, ", ")
}
