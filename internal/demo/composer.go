package demo

import (
	"bytes"
	"math/rand/v2"
)

// composer puts the lines of one object together, bad ones among them, and keeps the object's accounts.
type composer struct {
	maker    *maker
	object   *object
	line     line
	accounts *Accounts
	random   *rand.Rand
	start    int64 // of the object's hour, in microseconds since 1970
	done     int64 // bytes made
	made     int64 // lines made
}

const (
	second = int64(1e6) // in microseconds, as every moment here
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// longLine is longer than the default of max_line, 1 MiB.
const longLine = 1<<20 + 100

// Which lines of which objects are odd. The smallest objects have some ten lines, so the numbers are low.
func (c *composer) odd() (fault string) {
	n, at := c.object.number, c.made
	switch {
	case at == 5 && c.object.long:
		return "long"
	case at == 3 && n%12 == 5:
		return "cut"
	case at == 5 && n%13 == 5:
		return "unstamped"
	case at == 6 && n%19 == 5:
		return "blank"
	}
	return ""
}

// next appends one line with its newline, and counts it.
func (c *composer) next(dst []byte) []byte {
	begin := len(dst)
	c.line.roll(c.random, c.moment())
	fault := c.odd()
	dst = c.line.append(dst, fault != "unstamped")
	switch fault {
	case "cut": // as a shipper leaves it that died; inside the quotes or brackets of every format
		dst = dst[:begin+(len(dst)-begin)/4]
		if c.object.protocol == protocolApp {
			dst = append(dst, ` msg="and the`...)
		}
	case "long":
		long := bytes.Replace(dst[begin:], []byte(`"query":"`), append([]byte(`"query":"`), bytes.Repeat([]byte("a"), longLine)...), 1)
		dst = append(dst[:begin], long...)
	case "blank":
		dst = dst[:begin]
	}
	c.account(fault, len(dst)-begin)
	if c.object.crlf {
		dst = append(dst, '\r')
	}
	dst = append(dst, '\n')
	c.done += int64(len(dst) - begin)
	c.made++
	return dst
}

func (c *composer) account(fault string, length int) {
	c.accounts.Lines++
	switch {
	case fault == "blank":
		c.accounts.Blank++
	case fault != "":
		c.accounts.Rejected++
	case c.line.moment() > Cutoff.UnixMicro():
		c.accounts.AfterCutoff++
	default:
		c.accounts.Counted++
		if !c.object.corrupt {
			c.line.count(length)
		}
	}
}

// moment is the time of the next line: it moves on through the hour, a few seconds out of order. Objects of the last
// hour have lines at the cutoff and one step after it.
func (c *composer) moment() int64 {
	if c.object.hour == lastHour {
		switch c.made {
		case 2:
			return Cutoff.UnixMicro()
		case 4:
			return Cutoff.UnixMicro() + 1
		}
	}
	at := int64(float64(c.done) / float64(c.object.bytes) * float64(hour))
	at += c.random.Int64N(8*second) - 4*second
	return c.start + min(max(at, 0), hour-1)
}
