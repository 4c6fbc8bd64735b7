package s3archive

import "time"

// Limits are the times that tests shorten; zero leaves the usual one.
type Limits struct{ Call, Page, Pages, Stall, Pause time.Duration }

// SetLimits changes an archive that nobody uses yet.
func (a *Archive) SetLimits(l Limits) {
	for to, d := range map[*time.Duration]time.Duration{
		&a.limits.call: l.Call, &a.limits.page: l.Page, &a.limits.pages: l.Pages, &a.limits.stall: l.Stall, &a.limits.pause: l.Pause,
	} {
		if d > 0 {
			*to = d
		}
	}
}

// Proceed is how a listing goes on after a page.
var Proceed = proceed
