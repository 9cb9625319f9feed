package network

import "time"

// MaxClockError is how far this machine's clock may be from that of a CA, a
// responder, or a log. Up to there all that they sign is taken as dated well;
// beyond it no order is opened: a wrong clock makes every decision about
// renewal wrong.
const MaxClockError = 10 * time.Minute
