from .device import Device
from .plugin import DevicePlugin

def open_plugin(plugin: DevicePlugin, product: object, label: str, package: str = "") -> list[Device]: ...
