package replay

import (
	"strconv"
	"strings"
)

func epochOf(key string) (int64, bool) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	number, rest, ok := strings.Cut(name, "-")
	if !ok || !strings.HasPrefix(number, "e") || !strings.HasSuffix(rest, ".ndjson.gz") {
		return 0, false
	}
	n, err := strconv.ParseInt(number[1:], 10, 64)
	return n, err == nil
}
