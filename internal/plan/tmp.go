package plan

import "time"

type Reason struct{ Code, Words string }

func (d *decision) obtain()                        {}
func (d *decision) install()                       {}
func (d *decision) verify()                        {}
func (d *decision) advice()                        {}
func (d *decision) prune()                         {}
func pace(now time.Time, w World, s []Step) []Step { return s }
