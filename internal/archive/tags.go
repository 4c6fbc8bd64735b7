package archive

import (
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What S3 takes as a tag, in Unicode characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// MergedTags is what drivers do between reading and writing an object's tags: remove first, then set (a key in both is
// set), and check what is set. The tags that were there are not checked: others may use what a service allows them.
// It returns whether anything differs from have, which is left alone. ErrTooManyTags, and an error that names the tag
// for one that S3 would refuse.
func MergedTags(have, set map[string]string, remove []string) (merged map[string]string, changed bool, err error) {
	merged = make(map[string]string, len(have)+len(set))
	maps.Copy(merged, have)
	for _, key := range remove {
		delete(merged, key)
	}
	for key, value := range set {
		if err := checkTag(key, value); err != nil {
			return nil, false, err
		}
		merged[key] = value
	}
	if len(merged) > MaxTags && len(merged) > len(have) {
		return nil, false, fmt.Errorf("%w: %d, and %d are allowed", ErrTooManyTags, len(merged), MaxTags)
	}
	return merged, !maps.Equal(have, merged), nil
}

// checkTag holds every driver to what S3 takes, so that what works on a directory works there.
func checkTag(key, value string) error {
	switch n := utf8.RuneCountInString(key); {
	case n == 0 || n > maxTagKey:
		return fmt.Errorf("tag %q: the key must have 1 to %d characters, not %d", key, maxTagKey, n)
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return fmt.Errorf("tag %q: keys that begin with aws: are reserved", key)
	}
	if n := utf8.RuneCountInString(value); n > maxTagValue {
		return fmt.Errorf("tag %q: the value must have at most %d characters, not %d", key, maxTagValue, n)
	}
	for _, s := range []string{key, value} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("tag %q: %q is not UTF-8", key, s)
		}
		if i := strings.IndexFunc(s, notInTag); i >= 0 {
			r, _ := utf8.DecodeRuneInString(s[i:])
			return fmt.Errorf("tag %q: %q is not allowed; letters, digits, spaces and + - = . _ : / @ are", key, r)
		}
	}
	return nil
}

func notInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.In(r, unicode.Zs) && !strings.ContainsRune("+-=._:/@", r)
}
