package plan

import "slices"

// Verdict is what one handshake said.
type Verdict string

// The verdicts. Unknown is not wrong: the service could not be asked. Unstapled
// is the right certificate without the OCSP response that it demands, or with
// one that clients refuse.
const (
	VerdictRight     Verdict = "right"
	VerdictWrong     Verdict = "wrong"
	VerdictUnknown   Verdict = "unknown"
	VerdictUnstapled Verdict = "unstapled"
)

// WorstVerdict is the verdict over all results: wrong before unstapled before
// unknown before right.
func WorstVerdict(results []Result) Verdict {
	for _, v := range []Verdict{VerdictWrong, VerdictUnstapled, VerdictUnknown} {
		if slices.ContainsFunc(results, func(r Result) bool { return r.Verdict == v }) {
			return v
		}
	}
	return VerdictRight
}

// Result is the verdict of one endpoint.
type Result struct {
	Endpoint string  `json:"endpoint"` // host:port, with the name asked for
	KeyType  string  `json:"key_type,omitempty"`
	Verdict  Verdict `json:"verdict"`
	Words    string  `json:"words,omitempty"`
}
