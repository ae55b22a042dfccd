// A vCenter made of VMware's own simulator (Debian's golang-github-vmware-govmomi-dev), for tests.
//
// The simulator has snapshots without disks of their own, disks without bytes, no changed block tracking, and serves
// datastores to whoever asks. These are added here: tracking.go has the disks and what is known of their changes,
// front.go the calls and files that the simulator does not answer itself, control.go what a test does as guest and as
// administrator.
//
// It prints one line of JSON with the addresses of the vCenter and of its control port, and ends when its standard
// input does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// firstDisk is the key that vSphere gives the first disk on the first SCSI controller.
	firstDisk = 2000
	firstCard = 4000

	mac     = "00:50:56:01:02:03"
	address = "192.168.50.77"
)

// machines is a flag that can be given several times: NAME=MIB,MIB,.. with the sizes of the machine's disks.
type machines map[string][]int64

func (m machines) String() string { return fmt.Sprint(map[string][]int64(m)) }

func (m machines) Set(text string) error {
	name, sizes, found := strings.Cut(text, "=")
	if !found || name == "" {
		return fmt.Errorf("%q is not NAME=MIB,..", text)
	}
	for _, size := range strings.Split(sizes, ",") {
		mib, err := strconv.ParseInt(size, 10, 32)
		if err != nil {
			return err
		}
		m[name] = append(m[name], mib<<20)
	}
	return nil
}

func main() {
	must(run())
}

func run() error {
	tracked, untracked := machines{}, machines{}
	flag.Var(tracked, "tracked", "a machine `NAME=MIB,..` that keeps a record of changes")
	flag.Var(untracked, "untracked", "a machine `NAME=MIB,..` that keeps none yet")
	cert := flag.String("cert", "", "`file` with the server's certificate")
	key := flag.String("key", "", "`file` with its key")
	user := flag.String("user", "administrator@vsphere.local", "the one user")
	password := flag.String("password", "", "its password")
	page := flag.Int("page-areas", 2000, "how many areas one answer about changes has at most")
	flag.Parse()

	dir, err := os.MkdirTemp("", "vcsim-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	model := simulator.VPX()
	model.Cluster, model.Machine, model.Portgroup = 0, 0, 0
	defer model.Remove()
	if err := model.Create(); err != nil {
		return err
	}
	tracker := newTracker(dir)
	simulator.Map.AddHandler(tracker)
	client, err := vim25.NewClient(context.Background(), model.Service)
	if err != nil {
		return err
	}
	for name, sizes := range tracked {
		if err := addMachine(client, tracker, name, sizes, true); err != nil {
			return err
		}
	}
	for name, sizes := range untracked {
		if err := addMachine(client, tracker, name, sizes, false); err != nil {
			return err
		}
	}

	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *password)}
	server := model.Service.NewServer()
	defer server.Close()
	front := &front{next: server.Config.Handler, tracker: tracker, user: *user, page: *page}
	server.Config.Handler = front

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() { _ = http.Serve(listener, &control{tracker: tracker, front: front}) }()

	err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"url":     "https://" + server.URL.Host,
		"control": listener.Addr().String(),
	})
	if err != nil {
		return err
	}
	// The simulator tells of every fault that it answers with.
	log.SetOutput(io.Discard)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// addMachine makes a machine that runs, with a network card and these disks.
func addMachine(client *vim25.Client, tracker *tracker, name string, sizes []int64, tracks bool) error {
	ctx := context.Background()
	finder := find.NewFinder(client)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	finder.SetDatacenter(dc)
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	pool, err := finder.DefaultResourcePool(ctx)
	if err != nil {
		return err
	}
	datastore, err := finder.DefaultDatastore(ctx)
	if err != nil {
		return err
	}
	spec := types.VirtualMachineConfigSpec{
		Name:                  name,
		GuestId:               string(types.VirtualMachineGuestOsIdentifierDebian10_64Guest),
		NumCPUs:               1,
		MemoryMB:              256,
		ChangeTrackingEnabled: types.NewBool(tracks),
		Files:                 &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s]", datastore.Name())},
	}
	devices, err := hardware(datastore.Reference(), datastore.Name(), name, sizes)
	if err != nil {
		return err
	}
	if spec.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd); err != nil {
		return err
	}
	task, err := folders.VmFolder.CreateVM(ctx, spec, pool, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	vm := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	// What a real machine tells, and one of the simulator's leaves unset.
	vm.Capability.ChangeTrackingSupported = types.NewBool(true)
	vm.Config.GuestFullName = "Debian GNU/Linux 10 (64-bit)"
	vm.Config.BootOptions.EfiSecureBootEnabled = types.NewBool(false)
	vm.Runtime.ConsolidationNeeded = types.NewBool(false)
	vm.Guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	for i := range vm.Guest.Net {
		vm.Guest.Net[i].IpAddress = []string{address}
	}
	if err := tracker.add(vm, tracks); err != nil {
		return err
	}
	_, err = object.NewVirtualMachine(client, ref).PowerOn(ctx)
	return err
}

func hardware(datastore types.ManagedObjectReference, store, name string, sizes []int64) (object.VirtualDeviceList, error) {
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return nil, err
	}
	devices = append(devices, scsi)
	for i, size := range sizes {
		file := fmt.Sprintf("[%s] %s/%s.vmdk", store, name, name)
		if i > 0 {
			file = fmt.Sprintf("[%s] %s/%s_%d.vmdk", store, name, name, i)
		}
		disk := devices.CreateDisk(scsi.(types.BaseVirtualController), datastore, file)
		disk.Key = firstDisk + int32(i)
		disk.CapacityInKB, disk.CapacityInBytes = size>>10, size
		disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).Uuid = newUUID()
		devices = append(devices, disk)
	}
	backing := &types.VirtualEthernetCardNetworkBackingInfo{}
	backing.DeviceName = "VM Network"
	card, err := devices.CreateEthernetCard("vmxnet3", backing)
	if err != nil {
		return nil, err
	}
	plugged := card.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	plugged.Key, plugged.MacAddress = firstCard, mac
	return append(devices, card), nil
}
