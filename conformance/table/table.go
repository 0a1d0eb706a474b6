package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// absent stands for a case that a side did not run.
const absent = "absent"

// row is a case with its outcome on both sides.
type row struct {
	caseID
	lab, real string
}

func (r row) good() bool { return r.lab == "pass" && r.real == "pass" }

// join makes a row of every case of the engines that the lab has. Tests of the
// real side alone (failure tests, foreign clients) are no part of a contract.
func join(lab, genuine results) []row {
	engines, ids := map[string]bool{}, map[caseID]bool{}
	for id := range lab {
		engines[id.engine], ids[id] = true, true
	}
	for id := range genuine {
		ids[id] = ids[id] || engines[id.engine]
	}
	var rows []row
	for id, wanted := range ids {
		if wanted {
			rows = append(rows, row{id, outcome(lab, id), outcome(genuine, id)})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		if c := strings.Compare(a.engine, b.engine); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return rows
}

func outcome(r results, id caseID) string {
	if action, ok := r[id]; ok {
		return action
	}
	return absent
}

// write prints the table and returns an error when a row is not good on both sides.
func write(out io.Writer, rows []row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENGINE\tCASE\tLAB\tREAL\t")
	bad := 0
	for _, r := range rows {
		mark := ""
		if !r.good() {
			mark = "<<"
			bad++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.engine, strings.ReplaceAll(r.name, "_", " "), r.lab, r.real, mark)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(rows) == 0 {
		return errors.New("no contract case was run")
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d cases are not the same on the lab and the real engine", bad, len(rows))
	}
	_, err := fmt.Fprintf(out, "%d cases pass on both sides\n", len(rows))
	return err
}
