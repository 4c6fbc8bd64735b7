package main

import (
	"testing"
	"time"
)

func TestDigest(t *testing.T) {
	t.Parallel()
	a := [][]string{{"dns", "2018-03-24T17", "53", "2", "300", "x", "y"}, {"dns", "2018-03-24T17", "", "1", "9", "x", "x"}}
	b := [][]string{a[1], a[0]}
	const want = "67b297d9b3c270928bbc3216cc56ec67d34a78d2" // printf 'dns\t…\n' | LC_ALL=C sort | sha1sum
	if digest(a) != digest(b) || digest(a) != want {
		t.Errorf("%s and %s, not %s", digest(a), digest(b), want)
	}
	c := [][]string{a[0], {"dns", "2018-03-24T17", "", "1", "10", "x", "x"}}
	if digest(a) == digest(c) {
		t.Error("another sum has the same digest")
	}
	if digest(withoutSum(a)) != digest(withoutSum(c)) {
		t.Error("without the sum they differ")
	}
	if len(a[0]) != 7 {
		t.Error("the rows were changed")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	costs := func(all ...time.Duration) (c []cost) {
		for _, w := range all {
			c = append(c, cost{wall: w})
		}
		return c
	}
	for _, c := range []struct {
		costs []cost
		want  time.Duration
	}{{costs(3), 3}, {costs(9, 1, 2), 2}, {costs(4, 1, 2, 9), 3}} {
		if got := median(c.costs, wallOf); got != c.want {
			t.Errorf("median of %v: %v", c.costs, got)
		}
	}
}

func TestCPUList(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "3", 2: "2,3", 4: "0,1,2,3"} {
		if got, err := cpuList(n, 4); got != want || err != nil {
			t.Errorf("%d of 4: %q, %v", n, got, err)
		}
	}
	if _, err := cpuList(3, 2); err == nil {
		t.Error("3 of 2 processors are given")
	}
}
