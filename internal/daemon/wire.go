package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// The paths of the control protocol: HTTP/1.1 over a unix socket, with JSON
// bodies. It is private to one installation: both ends are usually the same
// binary, and v1 changes when it has to.
const (
	pathAsk      = "/v1/ask"
	pathProgress = "/v1/progress"
	pathStatus   = "/v1/status"
	pathReload   = "/v1/reload"
	pathForget   = "/v1/forget"
	pathAccount  = "/v1/account"
)

// Bounds of what is read from the socket.
const (
	maxBody  = 8 << 20 // of a request: the names of a hundred thousand certificates
	maxNames = 200_000
	maxName  = 255
	maxLine  = 256 << 10 // of an answer's line
)

// Ask is what a command hands over: a person's wish about certificates.
type Ask struct {
	Kind    plan.AskKind `json:"kind"`
	Names   []string     `json:"names,omitempty"`   // none: look at all that is due (apply only)
	Version string       `json:"version,omitempty"` // of restore; of rollover, how
	Issuer  string       `json:"issuer,omitempty"`  // of renew: whom to ask

	Reason plan.RevocationReason `json:"reason,omitempty"` // of revoke
	First  bool                  `json:"first,omitempty"`  // of revoke: before the replacement

	Withdraw bool `json:"withdraw,omitempty"` // of revoke: see engine.RevokeWish
}

// errAsk is an ask that makes no sense.
var errAsk = errors.New("the request makes no sense")

// check refuses an ask that no command sends.
func (a Ask) check() error {
	known := []plan.AskKind{plan.AskApply, plan.AskRenew, plan.AskVerify, plan.AskRestore, plan.AskRelease, plan.AskRevoke, plan.AskRollover}
	switch {
	case !slices.Contains(known, a.Kind):
		return fmt.Errorf("%w: kind %q", errAsk, a.Kind)
	case len(a.Names) == 0 && a.Kind != plan.AskApply:
		return fmt.Errorf("%w: %s of no certificate", errAsk, a.Kind)
	case a.Kind == plan.AskRestore && (len(a.Names) != 1 || a.Version == ""):
		return fmt.Errorf("%w: restore takes one certificate and a version", errAsk)
	case a.Kind == plan.AskRollover && !slices.Contains([]string{"", engine.RolloverForced, engine.RolloverCancelled}, a.Version):
		return fmt.Errorf("%w: rollover %q", errAsk, a.Version)
	case a.Kind != plan.AskRestore && a.Kind != plan.AskRollover && a.Version != "":
		return fmt.Errorf("%w: %s takes no version", errAsk, a.Kind)
	case a.Kind == plan.AskRevoke && !slices.Contains(plan.RevocationReasons(), a.Reason):
		return fmt.Errorf("%w: revocation for reason %q", errAsk, a.Reason)
	case a.Kind != plan.AskRevoke && (a.Reason != "" || a.First || a.Withdraw):
		return fmt.Errorf("%w: %s takes no reason of a revocation", errAsk, a.Kind)
	case a.Kind != plan.AskRenew && a.Issuer != "":
		return fmt.Errorf("%w: an issuer of %q", errAsk, a.Kind)
	case len(a.Version) > maxName, len(a.Issuer) > maxName:
		return fmt.Errorf("%w: the version is too long", errAsk)
	}
	return checkNames(a.Names)
}

func checkNames(names []string) error {
	if len(names) > maxNames {
		return fmt.Errorf("%w: %d names", errAsk, len(names))
	}
	for _, n := range names {
		if n == "" || len(n) > maxName {
			return fmt.Errorf("%w: a name of %d bytes", errAsk, len(n))
		}
	}
	return nil
}

// decodeAsk reads an ask from a request.
func decodeAsk(r io.Reader) (Ask, error) {
	var a Ask
	if err := decode(r, &a); err != nil {
		return Ask{}, err
	}
	return a, a.check()
}

// decode reads one JSON object and nothing after it.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(io.LimitReader(r, maxBody+1))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errAsk, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the object", errAsk)
	}
	return nil
}

// taken acknowledges an ask: it is stored. Its progress is under the ticket.
type taken struct {
	Ticket string `json:"ticket"`
}

// Line is one line of a progress stream. All but the last are what the engine
// tells; the last one has Ended.
type Line struct {
	Time        time.Time    `json:"time"`
	Certificate string       `json:"certificate,omitempty"`
	Stage       string       `json:"stage,omitempty"`
	Step        *plan.Step   `json:"step,omitempty"`
	Fault       *plan.Fault  `json:"fault,omitempty"`
	Event       *store.Event `json:"event,omitempty"`
	Ended       *Ended       `json:"ended,omitempty"`
}

// Ended is how what was asked for ended.
type Ended struct {
	Failed  bool   `json:"failed"`            // some step failed
	Dropped int    `json:"dropped,omitempty"` // lines that a slow reader missed
	Why     string `json:"why,omitempty"`     // the daemon stopped before it was done
}

// lineOf is a line about what the engine tells.
func lineOf(p engine.Progress) Line {
	return Line{Time: p.Time, Certificate: p.Cert, Stage: p.Stage, Step: p.Step, Fault: p.Fault, Event: p.Event}
}

// progress is what the engine told.
func (l Line) progress() engine.Progress {
	return engine.Progress{Time: l.Time, Cert: l.Certificate, Stage: l.Stage, Step: l.Step, Fault: l.Fault, Event: l.Event}
}

// AccountOp is what can be done with an account.
type AccountOp string

// The operations.
const (
	AccountRegister   AccountOp = "register"
	AccountUpdate     AccountOp = "update"
	AccountRollKey    AccountOp = "roll-key"
	AccountReset      AccountOp = "reset"
	AccountDeactivate AccountOp = "deactivate"
	AccountImport     AccountOp = "import"
)

// AccountRequest asks for a change of an account.
type AccountRequest struct {
	Op     AccountOp `json:"op"`
	Issuer string    `json:"issuer"`
	Key    string    `json:"key,omitempty"` // of import: PEM
}

// forgetRequest names what is to be forgotten.
type forgetRequest struct {
	Names []string `json:"names"`
}

// refusal is the body of every answer that is not 2xx.
type refusal struct {
	Error string      `json:"error"`
	Fault *plan.Fault `json:"fault,omitempty"`
}
