package plan

import "time"

// decision gathers the steps of one certificate.
type decision struct {
	now   time.Time
	want  WantedCert
	known *KnownCert
	world World
	steps []Step
}
