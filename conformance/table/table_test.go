package main

import (
	"slices"
	"strings"
	"testing"
)

const (
	lab  = "github.com/suokelife/suokectl/internal/lab/"
	real = "github.com/suokelife/suokectl/conformance"
)

func line(action, pkg, test string) string {
	return `{"Action":"` + action + `","Package":"` + pkg + `","Test":"` + test + `"}` + "\n"
}

func TestTable(t *testing.T) {
	t.Parallel()
	bothPass := [2]string{
		line("run", lab+"consul", "TestContract/parallel/a_case") + line("pass", lab+"consul", "TestContract/parallel/a_case") +
			line("pass", lab+"consul", "TestContract/parallel") + line("pass", lab+"consul", "TestContract") + line("pass", lab+"consul", "TestOther/x"),
		"# a compiler's words\n" + line("pass", real, "TestConsul/parallel/a_case") + line("pass", real, "TestConsul"),
	}
	for name, test := range map[string]struct {
		lab, real string
		want      []string
		err       string
	}{
		"both pass":     {bothPass[0], bothPass[1], []string{"a case", "1 cases pass on both sides"}, ""},
		"real fails":    {bothPass[0], line("fail", real, "TestConsul/parallel/a_case"), []string{"pass  fail"}, "1 of 1"},
		"real skips":    {bothPass[0], line("skip", real, "TestConsul/parallel/a_case"), []string{"pass  skip"}, "1 of 1"},
		"real lacks it": {bothPass[0], line("pass", real, "TestConsul"), []string{"absent"}, "1 of 1"},
		"lab lacks it":  {bothPass[0], bothPass[1] + line("pass", real, "TestConsul/b"), []string{"absent"}, "1 of 2"},
		"real alone":    {bothPass[0], bothPass[1] + line("pass", real, "TestPython/reads"), []string{"1 cases pass"}, ""},
		"only leaves":   {line("pass", lab+"kafka", "TestContract/a/b") + line("pass", lab+"kafka", "TestContract/a"), line("pass", real, "TestKafka/a/b"), []string{"a/b", "1 cases"}, ""},
		"nothing ran":   {"", "", nil, "no contract case"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := &strings.Builder{}
			err := write(out, join(cases(t, test.lab, labCase), cases(t, test.real, realCase)))
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("table lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

func cases(t *testing.T, text string, naming naming) results {
	t.Helper()
	found, err := read(strings.NewReader(text), naming)
	if err != nil {
		t.Fatal(err)
	}
	return found.cases
}

func TestWhatFailedIsAskedAgain(t *testing.T) {
	t.Parallel()
	first, err := read(strings.NewReader(line("pass", real, "TestConsul/a")+line("fail", real, "TestConsul/b")+
		line("fail", real, "TestConsul")+line("pass", real, "TestKube")), realCase)
	if err != nil {
		t.Fatal(err)
	}
	tests := []string{"TestConsul", "TestKube", "TestNeverReached"}
	if left := first.lacks(tests); !slices.Equal(left, []string{"TestConsul", "TestNeverReached"}) {
		t.Errorf("asked again: %q", left)
	}
	again, err := read(strings.NewReader(line("pass", real, "TestConsul/a")+line("pass", real, "TestConsul/b")+line("pass", real, "TestConsul")), realCase)
	if err != nil {
		t.Fatal(err)
	}
	first.add(again)
	if left := first.lacks(tests); !slices.Equal(left, []string{"TestNeverReached"}) || first.cases[caseID{"consul", "b"}] != "pass" {
		t.Errorf("after the second run: %q, %+v", left, first)
	}
}

func TestReadRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	if _, err := read(strings.NewReader("{oops\n"), labCase); err == nil {
		t.Error("no error")
	}
}

func TestEchoShowsWhatFailed(t *testing.T) {
	t.Parallel()
	stream := `{"Action":"output","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Test":"TestGood","Elapsed":0.5}
{"Action":"output","Test":"TestBad","Output":"because\n"}
{"Action":"fail","Test":"TestBad","Elapsed":2}
{"Action":"output","Output":"FAIL\n"}
not json
`
	const want = "ok       0.5s  TestGood\nfail     2.0s  TestBad\nbecause\nFAIL\nnot json\n"
	for _, cut := range []int{1, 7, len(stream)} {
		var out strings.Builder
		e := &echo{out: &out}
		for rest := []byte(stream); len(rest) > 0; {
			n := min(cut, len(rest))
			if _, err := e.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if out.String() != want {
			t.Errorf("cut every %d bytes: %q, want %q", cut, out.String(), want)
		}
	}
}
