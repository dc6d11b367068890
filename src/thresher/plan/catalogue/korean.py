"""The catalogue in Korean: by rule, what it means and what to do."""

KOREAN: dict[str, tuple[str, str]] = {
    # Guest and drivers
    "GuestDiskDriver": (
        "디스크가 연결될 버스의 드라이버가 게스트 시스템에 없습니다.",
        "먼저 원본에서 디스크를 IDE 또는 SATA 컨트롤러로 옮기거나 게스트를 업데이트하십시오.",
    ),
    "GuestNicDriver": (
        "게스트 시스템에 VirtIO 네트워크 카드 드라이버가 없습니다.",
        "networkInterfaceModel로 e1000을 선택하십시오.",
    ),
    "GuestUntested": ("이 게스트 시스템은 KVM에서의 동작이 보장되지 않습니다.", "먼저 사본으로 시험해 보십시오."),
    "WindowsDrivers": (
        "Windows의 디스크 또는 네트워크에 VirtIO 드라이버가 필요합니다.",
        "가져오기 전에 게스트에 virtio-win을 설치하십시오.",
    ),
    "WindowsDriversOld": (
        "virtio-win은 이 Windows용 드라이버를 더 이상 빌드하지 않습니다.",
        "가져오기 전에 ISO에 남아 있는 마지막 드라이버를 직접 설치하십시오. 설치 프로그램은 이 Windows를 건너뜁니다.",
    ),
    "WindowsClock": (
        "Windows는 현지 시간을 쓰지만 새 VM의 시계는 UTC로 시작합니다.",
        "게스트에서 시간을 동기화하거나 새 VM에 시간대를 지정하십시오.",
    ),
    "ToolsMissing": (
        "VMware Tools가 없으면 게스트에 종료를 요청할 수 없습니다.",
        "직접 종료하거나 forcePowerOff를 설정하십시오.",
    ),
    "ToolsStay": (
        "VMware Tools는 새 VM에서 아무 일도 하지 않습니다.",
        "가져온 뒤 제거하고 qemu-guest-agent를 설치하십시오.",
    ),
    "NicNames": (
        "게스트가 네트워크 카드 이름을 다르게 붙일 수 있습니다.",
        "게스트의 네트워크 설정에서 MAC 주소로 카드를 지정하십시오.",
    ),
    # Hardware
    "HardwareVersionNew": (
        "하드웨어 버전이 여기에 알려진 것보다 새것입니다.",
        "가져온 뒤 새 VM의 장치를 확인하십시오.",
    ),
    "UnknownHardware": ("알 수 없는 종류의 하드웨어는 옮겨지지 않습니다.", "원본 VM에서 제거하거나 직접 설정하십시오."),
    "AlternativeHardware": (
        "패키지에 하드웨어가 여러 가지로 기술되어 있어 그중 하나를 씁니다.",
        "새 VM의 하드웨어가 기대와 같은지 확인하십시오.",
    ),
    "CpuUnstated": ("패키지에 vCPU 수가 없어 VM은 vCPU 하나를 받습니다.", "가져오기 매니페스트에 cpu를 설정하십시오."),
    "CpuTopologyChanged": (
        "요청한 vCPU를 원본처럼 묶을 수 없습니다.",
        "나누어떨어지는 수를 고르거나 소켓당 vCPU 하나를 받아들이십시오.",
    ),
    "HotAdd": ("원본에서는 실행 중에 메모리나 vCPU를 추가할 수 있습니다.", "가져오기 전에 필요한 만큼 설정하십시오."),
    "NestedVirtualization": (
        "게스트가 자체 VM을 실행합니다.",
        "클러스터 호스트가 중첩 가상화를 허용하는지 확인하십시오.",
    ),
    "PciPassthrough": ("패스스루된 호스트 장치는 옮겨지지 않습니다.", "새 VM에 새 호스트의 장치를 주십시오."),
    "UsbPassthrough": ("USB 장치는 옮겨지지 않습니다.", "새 VM에 연결하십시오."),
    "Usb": ("USB 컨트롤러와 그 장치는 옮겨지지 않습니다.", "장치를 새 VM에 연결하십시오."),
    "ScsiPassthrough": (
        "패스스루된 호스트 SCSI 장치는 옮겨지지 않습니다.",
        "새 호스트의 장치를 주거나 내용을 복사하십시오.",
    ),
    "HostBusAdapter": ("전용 어댑터 뒤의 스토리지는 옮겨지지 않습니다.", "다른 방법으로 복사하십시오."),
    "SerialPort": ("직렬 포트의 연결 대상은 옮겨지지 않습니다.", "새 VM의 직렬 콘솔을 쓰십시오."),
    "ParallelPort": ("새 VM에는 병렬 포트가 없습니다.", "없이 쓰거나 USB 어댑터를 쓰십시오."),
    "Floppy": ("새 VM에는 플로피 드라이브가 없습니다.", "필요하면 플로피의 내용을 디스크로 복사하십시오."),
    "Sound": ("사운드 카드는 옮겨지지 않습니다.", "없이 쓰십시오."),
    "CdromMedia": ("CD 드라이브의 미디어는 옮겨지지 않습니다.", "다시 연결하십시오."),
    "Nvdimm": ("vSphere는 NVDIMM을 내보내지 않으므로 내용이 사라집니다.", "먼저 디스크로 복사하십시오."),
    # The machine as a whole
    "ConfigurationUnreadable": (
        "원본에서 구성을 읽을 수 없습니다.",
        "원본에서 VM을 고치거나 사용자에게 권한을 주십시오.",
    ),
    "EncryptedVm": (
        "VM 또는 디스크 옆의 파일이 암호화되어 있습니다.",
        "가져오기 전에 암호를 푸십시오. vTPM뿐이라면 내보내기를 먼저 시험하십시오.",
    ),
    "FaultTolerance": ("Fault Tolerance는 옮겨지지 않습니다.", "가져오기 전에 끄십시오."),
    "Template": ("템플릿이며 일반 VM이 됩니다.", "원하지 않으면 제외하십시오."),
    "Suspended": (
        "VM이 일시 중단되어 있으며 메모리는 가져올 수 없습니다.",
        "다시 시작해 종료하거나 forcePowerOff를 설정하십시오.",
    ),
    "Snapshots": (
        "스냅샷은 원본에 남고 새 VM은 현재 상태만 가집니다.",
        "필요 없는 스냅샷을 지우면 내보내기가 빨라집니다.",
    ),
    "ChangeTrackingOff": ("변경 블록 추적이 꺼져 있습니다.", "변경분만 복사하려면 켜십시오."),
    "StartupOrder": ("VM의 시작 순서는 옮겨지지 않습니다.", "그 순서대로 직접 시작하십시오."),
    "OvfProperties": ("어플라이언스가 기대하는 OVF 환경의 값은 전달되지 않습니다.", "게스트를 직접 설정하십시오."),
    "DeploymentOption": (
        "패키지에 여러 크기가 있어 기본 크기를 씁니다.",
        "다른 크기를 원하면 cpu와 memory를 설정하십시오.",
    ),
    "UnknownSection": ("패키지의 일부가 반영되지 않습니다.", "VM이 그것에 의존하는지 확인하십시오."),
    # Firmware
    "EfiVariables": ("원본의 EFI 변수는 옮겨지지 않습니다.", "부팅되지 않으면 새 VM에 부트 항목을 추가하십시오."),
    "EfiVariablesReset": ("원본의 EFI 변수는 옮겨지지 않습니다.", "부팅되지 않으면 새 VM에 부트 항목을 추가하십시오."),
    "SecureBootKeys": ("직접 등록한 Secure Boot 키는 옮겨지지 않습니다.", "새 VM에 다시 등록하십시오."),
    "SecureBootWithoutEfi": (
        "BIOS 머신에서는 Secure Boot가 의미 없어 제외됩니다.",
        "BIOS로 부팅하는 VM이면 할 일이 없습니다.",
    ),
    "TpmState": (
        "TPM의 키는 내보낼 수 없어 새 TPM은 비어 있습니다.",
        "BitLocker를 일시 중단하거나 복구 키를 준비하십시오.",
    ),
    "TpmStateReset": (
        "TPM의 키는 내보낼 수 없어 새 TPM은 비어 있습니다.",
        "BitLocker를 일시 중단하거나 복구 키를 준비하십시오.",
    ),
    "UuidUnknown": (
        "원본에 SMBIOS UUID가 없어 게스트는 새 UUID를 받습니다.",
        "UUID에 의존하는 라이선스를 확인하십시오.",
    ),
    "UuidShared": ("여러 VM의 SMBIOS UUID가 같습니다.", "게스트의 소프트웨어가 의존하면 하나를 바꾸십시오."),
    # Disks
    "NoDisks": ("VM에 디스크가 없습니다.", "네트워크로 부팅하는지 확인하고, 아니면 제외하십시오."),
    "RawDeviceMapping": (
        "디스크가 RDM이거나 호스트의 물리 디스크입니다.",
        "매핑을 가상 모드로 바꾸거나 LUN을 다른 방법으로 복사하십시오.",
    ),
    "SharedDisk": ("여러 VM이 쓸 수 있는 디스크이며 사본은 공유되지 않습니다.", "가져오기 전에 분리하십시오."),
    "IndependentDisk": (
        "스냅샷과 무관한 독립 디스크입니다.",
        "VM이 꺼져 있을 때 가져오십시오. 비영구 디스크는 이후 기록을 유지합니다.",
    ),
    "LinkedClone": ("연결된 복제본이며 사본은 양쪽을 모두 담습니다.", "전체 크기를 감안하십시오."),
    "DeltaDisk": ("다른 디스크와의 차이만 담은 디스크입니다.", "스냅샷 없이 VM을 다시 내보내십시오."),
    "CopiedDisk": ("한 파일이 여러 디스크의 내용이어서 각각 사본을 받습니다.", "전체 크기를 감안하십시오."),
    "UnattachedDisk": ("패키지에 어느 VM도 쓰지 않는 디스크가 있습니다.", "필요하면 따로 가져오십시오."),
    "DiskWithoutBacking": ("디스크의 내용이 어디 있는지 알 수 없습니다.", "분리하거나 VM을 다시 내보내십시오."),
    "DiskSizeUnknown": (
        "볼륨을 미리 만드는 디스크의 크기가 없습니다: 빈 디스크, 또는 diskMode volume의 모든 디스크입니다.",
        "원본에서 용량을 설정하십시오. 빈 디스크가 아니면 diskMode image가 크기를 알아냅니다.",
    ),
    "DiskBusUnknown": (
        "원본에 디스크의 버스가 없습니다.",
        "게스트에 다른 버스가 필요하면 defaultDiskBusType을 설정하십시오.",
    ),
    "DiskBusChanged": (
        "KubeVirt에 그런 디스크 버스가 없어 게스트는 다른 버스를 봅니다.",
        "가져오기 전에 게스트에 드라이버가 있는지 확인하십시오.",
    ),
    "FileSizeDiffers": ("파일 크기가 패키지의 기재와 다릅니다.", "가져오기에 실패하면 패키지를 다시 내보내십시오."),
    "CapacityDiffers": ("디스크 크기가 패키지의 기재와 다릅니다.", "가져온 뒤 디스크 크기를 확인하십시오."),
    # Networks
    "NetworkUndecided": ("네트워크의 대상이 정해지지 않았습니다.", "networks.yaml에서 정하고 계획을 다시 만드십시오."),
    "NetworkUnmapped": (
        "매핑이 없는 네트워크입니다. VM의 NIC 하나만 관리 네트워크로 갈 수 있습니다.",
        "네트워크를 매핑하십시오.",
    ),
    "NetworkMissing": ("NetworkAttachmentDefinition이 없습니다.", "만들거나 다른 것으로 매핑하십시오."),
    "MappingUnused": ("매핑의 한 행이 어느 NIC와도 맞지 않습니다.", "sourceNetwork를 고치거나 행을 지우십시오."),
    "NicModelReplaced": (
        "KubeVirt에 그런 NIC 모델이 없어 게스트는 다른 모델을 봅니다.",
        "특정 모델이 필요하면 networkInterfaceModel을 설정하십시오.",
    ),
    "NicDisconnected": ("원본에서 끊긴 NIC가 연결된 채로 시작합니다.", "중요하면 게스트에서 연결을 끊으십시오."),
    "NicWithoutNetwork": ("NIC가 어느 네트워크에도 연결되어 있지 않습니다.", "가져온 뒤 어디에 속하는지 확인하십시오."),
    "SriovNic": (
        "NIC 뒤의 물리 카드 기능은 옮겨지지 않습니다.",
        "일반 가상 카드를 쓰거나 클러스터에 SR-IOV를 설정하십시오.",
    ),
    "PassthroughNic": (
        "NIC 뒤의 물리 카드 기능은 옮겨지지 않습니다.",
        "일반 가상 카드를 쓰거나 클러스터에 SR-IOV를 설정하십시오.",
    ),
    "MacUnknown": (
        "원본에 MAC 주소가 없어 NIC는 새 주소를 받습니다.",
        "DHCP 예약이나 라이선스 등 의존하는 것을 확인하십시오.",
    ),
    "InvalidMac": ("기재된 MAC 주소가 올바르지 않아 NIC는 새 주소를 받습니다.", "원본에서 고치십시오."),
    "MacDuplicate": ("VM의 여러 NIC가 같은 MAC 주소를 씁니다.", "가져오기 전에 각각 다른 주소를 주십시오."),
    "MacShared": ("여러 VM의 NIC가 같은 MAC 주소를 씁니다.", "한 네트워크에서 함께 실행하기 전에 하나를 바꾸십시오."),
    # Names
    "NameChanged": (
        "Kubernetes가 VM의 이름을 쓸 수 없습니다.",
        "targetName으로 정하거나 표시된 이름을 받아들이십시오.",
    ),
    "NameShared": (
        "여러 VM이 네임스페이스에서 같은 이름을 갖게 됩니다.",
        "표시된 targetName을 쓰거나 다른 이름을 고르십시오.",
    ),
    "NameTaken": ("그 이름의 VM이나 이미지가 이미 있습니다.", "다른 targetName을 고르거나 있는 것을 지우십시오."),
    "TargetNameInvalid": (
        "targetName이 올바른 이름이 아닙니다.",
        "a-z, 0-9, -를 63자까지 쓰고 글자나 숫자로 시작하고 끝내십시오.",
    ),
    # OpenStack alone
    "FlavorUnreadable": (
        "서버의 플레이버가 없어 vCPU와 메모리를 알 수 없습니다.",
        "존재하는 플레이버로 크기를 변경하십시오.",
    ),
    "FolderIgnored": ("OpenStack에는 폴더가 없습니다.", "가져오기에서 folder를 빼십시오."),
    "ImageUnreadable": (
        "서버를 만든 이미지가 없어 펌웨어, 버스, TPM을 알 수 없습니다.",
        "게스트가 UEFI로 부팅하는지 확인하고, 아니면 skipPreflightChecks를 설정하거나 새 VM을 직접 고치십시오.",
    ),
    "MachineType": ("이미지의 머신 유형은 옮겨지지 않습니다.", "가져온 뒤 새 VM의 장치를 확인하십시오."),
    "Architecture": ("이미지가 다른 종류의 프로세서용입니다.", "클러스터에 그 아키텍처의 노드가 있는지 확인하십시오."),
    "SecureBootOptional": (
        "이미지가 보안 부팅을 호스트에 맡기며 새 VM에는 없습니다.",
        "게스트에 필요하면 새 VM에서 켜십시오.",
    ),
    "MemoryEncryption": (
        "호스트가 서버 메모리를 암호화하지만 새 VM의 메모리는 암호화하지 않습니다.",
        "암호화가 필요하면 가져오지 마십시오.",
    ),
    "CpuThreads": ("코어의 스레드가 코어가 됩니다.", "코어 수로 세는 라이선스를 확인하십시오."),
    "CpuPolicy": ("CPU 고정은 옮겨지지 않습니다.", "중요하다면 새 VM의 CPU를 고정하십시오."),
    "NumaTopology": ("NUMA 토폴로지는 옮겨지지 않습니다.", "중요하다면 새 VM에 설정하십시오."),
    "HugePages": ("대용량 메모리 페이지는 옮겨지지 않습니다.", "중요하다면 새 VM에 설정하십시오."),
    "EphemeralDisk": ("임시 디스크는 호스트에만 있어 읽을 수 없습니다.", "필요한 내용을 먼저 볼륨에 복사하십시오."),
    "SwapDisk": ("스왑 디스크는 옮겨지지 않습니다.", "게스트가 없이도 부팅되는지 확인하십시오."),
    "VolumeUnreadable": ("Cinder가 볼륨을 읽게 해 주지 않습니다.", "사용자에게 권한을 주거나 볼륨을 분리하십시오."),
    "EncryptedVolume": ("볼륨이 암호화되어 있습니다.", "가져오기 전에 암호화되지 않은 볼륨 유형으로 복사하십시오."),
    "MultiAttach": (
        "여러 서버가 볼륨을 공유할 수 있지만 새 디스크는 VM 하나의 것입니다.",
        "이 서버만 쓴다면 할 일이 없습니다.",
    ),
    "LargeVolume": (
        "볼륨이 Glance 이미지의 기본 한도인 1 TiB보다 크고 이미지를 거쳐 복사됩니다.",
        "Glance의 image_size_cap을 볼륨 크기보다 크게 설정하게 하십시오.",
    ),
    "VolumeStatus": ("Cinder가 스냅숏을 만들 수 없는 상태의 볼륨입니다.", "기다리거나 원본에서 고치거나 분리하십시오."),
    "NicOrder": (
        "네트워크 카드의 순서가 확실하지 않습니다.",
        "게스트가 순서로 카드 이름을 정한다면 원본과 비교하십시오.",
    ),
    "PortUnreadable": (
        "Nova가 보여 주는 네트워크 카드의 포트가 Neutron에 없습니다.",
        "원본에서 어떻게 되었는지 확인하십시오.",
    ),
    "FixedAddress": (
        "주소는 OpenStack의 DHCP가 주었거나 게스트에 설정된 것입니다.",
        "새 네트워크에 맞는지 확인하십시오.",
    ),
    "TrunkPort": ("트렁크 포트이며 하위 포트는 게스트 안의 VLAN입니다.", "태그를 통과시키는 네트워크에 매핑하십시오."),
    "NicQos": ("포트의 QoS 정책은 옮겨지지 않습니다.", "중요하다면 새 네트워크에서 제한하십시오."),
    "FloatingAddress": ("유동 주소는 옮겨지지 않습니다.", "새 VM에 다른 접근 경로를 마련하십시오."),
    "SecurityGroups": (
        "보안 그룹은 옮겨지지 않아 새 VM의 트래픽을 거르는 것이 없습니다.",
        "네트워크 정책이나 게스트 방화벽을 설정하십시오.",
    ),
    "ConfigDrive": ("구성 드라이브는 옮겨지지 않습니다.", "게스트의 cloud-init에 데이터 위치를 알려 주십시오."),
    "ServerGroup": (
        "서버 그룹은 옮겨지지 않아 VM을 떼어 놓거나 모으는 것이 없습니다.",
        "새 VM에 어피니티를 설정하십시오.",
    ),
    "ServerState": ("가져올 수 없는 상태의 서버입니다.", "실행 중이거나 꺼진 상태로 만드십시오."),
    "ServerBusy": ("Nova가 서버를 처리하고 있습니다.", "끝날 때까지 기다리십시오."),
    "ServerLocked": ("서버가 잠겨 있어 관리자만 멈출 수 있습니다.", "잠금을 풀거나 멈추십시오."),
    # Destination
    "StorageClassMissing": ("스토리지 클래스가 없습니다.", "만들거나 다른 것을 지정하십시오."),
    "StorageShort": ("대상의 여유 스토리지가 부족합니다.", "공간을 비우거나 늘리거나 VM 수를 줄이십시오."),
    "MemoryShort": ("대상의 여유 메모리가 부족합니다.", "공간을 비우거나 노드를 늘리거나 VM 수를 줄이십시오."),
    "QuotaExceeded": ("네임스페이스의 할당량을 넘게 됩니다.", "할당량을 늘리십시오."),
    "ScratchUnobtainable": (
        "작업자가 임시 볼륨을 얻을 수 없습니다.",
        "임시 볼륨용으로 존재하는 스토리지 클래스를 지정하십시오.",
    ),
    "PortUnreachable": (
        "클러스터에서 원본의 포트에 닿을 수 없습니다.",
        "가져오기에 실패하면 경로의 방화벽에서 여십시오.",
    ),
}
