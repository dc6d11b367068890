module thresher.local/rig/goclient

go 1.26
