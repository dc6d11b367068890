// Command vcenter is the simulated vCenter (or standalone ESXi host) that Thresher is tested against.
//
// It is govmomi's simulator with what an import needs on top: exports that serve real bytes from simulated ESXi
// hosts with certificates of their own, leases that time out, changed block tracking, guests that take their time
// to shut down, and faults on demand. Everything listens on loopback. It reads an inventory file, prints one line
// of JSON that says where it listens, and ends when its standard input does, so it never outlives its parent.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"os"
)

// ready is the line that is printed once everything listens.
type ready struct {
	SDK     string `json:"sdk"`
	Control string `json:"control"`
}

func main() {
	log.SetFlags(0)
	inventoryFile := flag.String("inventory", "", "JSON file with the inventory to simulate")
	username := flag.String("username", "administrator@vsphere.local", "the only user who may log in")
	password := flag.String("password", "", "that user's password")
	selfSigned := flag.Bool("self-signed", false, "certificates sign themselves instead of being issued by a CA")
	again := new(memory)
	flag.StringVar(&again.folder, "memory", "", "folder with what a restart must find again; none where it is empty")
	flag.IntVar(&again.port, "port", 0, "port of the API, any free one where it is 0")
	flag.IntVar(&again.controlPort, "control-port", 0, "port of the control, likewise")
	flag.Parse()

	inv, err := readInventory(*inventoryFile)
	if err != nil {
		log.Fatal(err)
	}
	g, err := start(inv, *username, *password, *selfSigned, again)
	if err != nil {
		log.Fatal(err)
	}
	defer g.stop()
	if err := json.NewEncoder(os.Stdout).Encode(ready{SDK: g.sdkURL(), Control: g.controlURL()}); err != nil {
		log.Print(err)
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
