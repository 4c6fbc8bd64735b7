package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// variablePrefix begins every variable of ours.
const variablePrefix = "REPRISE_"

// Where the file is, or its text: for orchestrators that hand values over, and no files.
const (
	variableFile = variablePrefix + "CONFIG"
	variableText = variablePrefix + "CONFIG_YAML"
)

// foreign are variables that begin like ours and are no keys: where the file is, and what the tests may not skip.
var foreign = []string{variableFile, variableText, variablePrefix + "REQUIRE"}

// variables keeps the variables that begin like ours and are not empty. Of two of one name the last wins, as in
// package os/exec.
func variables(env []string) map[string]string {
	vars := map[string]string{}
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		delete(vars, name)
		if value != "" {
			vars[name] = value
		}
	}
	return vars
}

// Variable is the name of the environment variable of a key: REPRISE_WORKER_SLOTS for worker.slots.
func Variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// environment sets what the variables give. A variable that is no key is an error when it looks like one: it begins
// with the name of a section, or a key is one or two letters away. Others are left alone, because an orchestrator
// may set variables of its own (Kubernetes: REPRISE_SERVICE_HOST for a service called reprise).
func (d *decoder) environment(vars map[string]string, c *Config) {
	keys := map[string]string{} // variable -> key
	for _, k := range variableKeys() {
		keys[Variable(k)] = k
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		key, known := keys[name]
		switch {
		case slices.Contains(foreign, name):
		case known:
			d.src.variables[key] = name
			if err := setText(field(reflect.ValueOf(c).Elem(), key), vars[name]); err != nil {
				d.errs = append(d.errs, d.src.fault(key, "%v", err))
			}
		case strings.HasPrefix(name, variablePrefix+"PROTOCOLS"):
			d.errs = append(d.errs, &Error{Variable: name, Text: "protocols can be set in the file alone; unset the variable"})
		default:
			if e := strangeVariable(name, slices.Sorted(maps.Keys(keys))); e != nil {
				d.errs = append(d.errs, e)
			}
		}
	}
}

func strangeVariable(name string, known []string) *Error {
	if near, ok := nearest(name, known); ok {
		return &Error{Variable: name, Text: "is no key; did you mean " + near + "?"}
	}
	for _, k := range tags(reflect.TypeFor[Config]()) {
		if section := Variable(k); name == section || strings.HasPrefix(name, section+"_") {
			return &Error{Variable: name, Text: "is no key; known under " + k + ": " + strings.Join(below(known, section), ", ")}
		}
	}
	return nil
}

func below(known []string, section string) []string {
	var in []string
	for _, k := range known {
		if k == section || strings.HasPrefix(k, section+"_") {
			in = append(in, k)
		}
	}
	return in
}

// variableKeys are the keys that a variable can set: all but those below protocols.
func variableKeys() []string {
	var keys []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, name := range tags(t) {
			key, f := join(path, name), fieldByTag(t, name)
			switch {
			case key == "protocols":
			case f.Type == typeLive:
				keys = append(keys, key)
				walk(f.Type, key)
			case f.Type.Kind() == reflect.Struct && !isText(f.Type):
				walk(f.Type, key)
			default:
				keys = append(keys, key)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return keys
}

// nearest finds the candidate that a word was probably meant to be: at most a third of its letters differ, and two
// at most.
func nearest(word string, candidates []string) (string, bool) {
	best, distance := "", 3
	for _, c := range candidates {
		if n := edits(strings.ToLower(word), strings.ToLower(c)); n < distance && 3*n <= max(len(c), 3) {
			best, distance = c, n
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance, with a swap of neighbours as one edit. Words far apart in length are not looked
// at: they are no typing error of each other.
func edits(a, b string) int {
	const far = 99
	if len(a) > len(b)+2 || len(b) > len(a)+2 || len(a) > 100 {
		return far
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
