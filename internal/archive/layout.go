package archive

import (
	"errors"
	"time"
)

// Layout says how a key names its protocol and its time.
type Layout struct{}

// Match is what a key tells of its object.
type Match struct {
	Protocol    string
	From, Until time.Time // the span [From, Until), UTC; both zero when the layout has no time
}

// ParseLayout compiles a layout such as "{protocol}/{yyyy}/{mm}/{dd}/{rest}".
func ParseLayout(s string) (*Layout, error) { return nil, errors.ErrUnsupported }

// Match reads a key, relative to the archive's prefix; false when it does not fit.
func (l *Layout) Match(key string) (Match, bool) { return Match{}, false }
