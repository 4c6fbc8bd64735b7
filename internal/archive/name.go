package archive

import (
	"fmt"
	"regexp"
	"strconv"
)

// ObjectName is the last piece of the key of an object that the archiver writes: the epoch of the batch's protocol and
// the batch's id, a ULID. A replay leaves those of its own epoch, and of later ones, to the live side.
func ObjectName(epoch int64, batch string) string {
	return fmt.Sprintf("e%d-%s.ndjson.gz", epoch, batch)
}

// ours finds an object's name wherever a layout puts it ("{protocol}-{rest}", "{rest}/{protocol}.log"). A ULID begins
// with a digit up to 7, being 128 bits. Of several the last one counts.
var ours = regexp.MustCompile(`^(?s:.*)e([1-9][0-9]{0,17})-[0-7][0-9A-HJKMNP-TV-Z]{25}\.ndjson\.gz`)

// EpochOf reads the epoch out of the key of an object that the archiver wrote; false for objects of others.
func EpochOf(key string) (epoch int64, ok bool) {
	found := ours.FindStringSubmatch(key)
	if found == nil {
		return 0, false
	}
	epoch, err := strconv.ParseInt(found[1], 10, 64)
	return epoch, err == nil
}
